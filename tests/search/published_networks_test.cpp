// The spaces in data/spaces against the published Caffe2 networks: the very operators, in both precisions.

#include <gtest/gtest.h>

#include <ostream>
#include <set>
#include <string>
#include <utility>

#include "latgrad/lut/operator_key.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/read_net.h"
#include "latgrad/search/lowering.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

struct Network {
  const char* file;
  const char* name;
  Precision precision;
};

void PrintTo(const Network& network, std::ostream* out) {
  *out << network.name << " " << to_string(network.precision);
}

class PublishedNetworksTest : public testing::TestWithParam<Network> {};

// Every operator as the published tool asks for it: text for text, without what never counts.
std::multiset<std::string> queries(const net::Net& net, const net::NetShapes& shapes) {
  std::multiset<std::string> lines;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const lut::OperatorKey key = lut::operator_key(net.ops[i], shapes.ops[i]);
    std::string line = key.op_type;
    for (const std::string& arg : lut::reference_args(key)) line.append(" ").append(arg);
    for (const net::Shape& shape : key.input_shapes) line.append(" ").append(net::to_string(shape));
    for (const net::DataType dtype : key.input_dtypes) line.append(" ").append(net::to_string(dtype));
    lines.insert(line);
  }
  return lines;
}

std::multiset<std::string> canonical_keys(const net::Net& net, const net::NetShapes& shapes) {
  std::multiset<std::string> keys;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    keys.insert(lut::canonical(lut::operator_key(net.ops[i], shapes.ops[i])));
  }
  return keys;
}

TEST_P(PublishedNetworksTest, LowersToTheOperatorsOfTheZoo) {
  LATGRAD_NEED_SHARED("zoo");
  const auto [file, name, precision] = GetParam();
  const net::Net published =
      net::read_net(shared_data(std::string("zoo/") + name + "/" + std::string(to_string(precision))));
  const net::NetShapes published_shapes = net::infer_shapes(published);

  const Space space = Space::load(source_file(std::string("data/spaces/") + file));
  const net::Net lowered = lower(space, space.parse_architecture(name), precision);
  const net::NetShapes lowered_shapes = net::infer_shapes(lowered);

  EXPECT_EQ(lowered.ops.size(), published.ops.size());
  EXPECT_EQ(queries(lowered, lowered_shapes), queries(published, published_shapes));
  EXPECT_TRUE(canonical_keys(lowered, lowered_shapes) == canonical_keys(published, published_shapes));
  EXPECT_EQ(net::count_macs(lowered_shapes).total(), net::count_macs(published_shapes).total());
  const net::ParameterCount parameters = net::count_parameters(lowered, lowered_shapes);
  const net::ParameterCount published_parameters = net::count_parameters(published, published_shapes);
  EXPECT_EQ(parameters.weights, published_parameters.weights);
  EXPECT_EQ(parameters.others, published_parameters.others);
}

// Engines do not count in a price, but an emitted network must run as the published one does.
TEST_P(PublishedNetworksTest, KeepsTheEnginesOfTheZoo) {
  LATGRAD_NEED_SHARED("zoo");
  const auto [file, name, precision] = GetParam();
  const net::Net published =
      net::read_net(shared_data(std::string("zoo/") + name + "/" + std::string(to_string(precision))));
  const Space space = Space::load(source_file(std::string("data/spaces/") + file));
  const net::Net lowered = lower(space, space.parse_architecture(name), precision);

  const auto engines = [](const net::Net& net) {
    std::multiset<std::pair<std::string, std::string>> pairs;
    for (const net::Operator& op : net.ops) pairs.emplace(op.type, op.engine);
    return pairs;
  };
  EXPECT_EQ(engines(lowered), engines(published));
}

INSTANTIATE_TEST_SUITE_P(Zoo, PublishedNetworksTest,
                         testing::Values(Network{"fbnet_a.textproto", "FBNet-A", Precision::kInt8},
                                         Network{"fbnet_a.textproto", "FBNet-A", Precision::kFp32},
                                         Network{"fbnet_c.textproto", "FBNet-C", Precision::kInt8},
                                         Network{"fbnet_c.textproto", "FBNet-C", Precision::kFp32},
                                         Network{"fbnet_96.textproto", "FBNet-96", Precision::kInt8},
                                         Network{"fbnet_96.textproto", "FBNet-96", Precision::kFp32},
                                         Network{"chamnet_a.textproto", "ChamNet-A", Precision::kInt8},
                                         Network{"chamnet_a.textproto", "ChamNet-A", Precision::kFp32},
                                         Network{"chamnet_c.textproto", "ChamNet-C", Precision::kInt8},
                                         Network{"chamnet_c.textproto", "ChamNet-C", Precision::kFp32},
                                         Network{"chamnet_e.textproto", "ChamNet-E", Precision::kInt8},
                                         Network{"chamnet_e.textproto", "ChamNet-E", Precision::kFp32}));

}  // namespace
}  // namespace latgrad::search
