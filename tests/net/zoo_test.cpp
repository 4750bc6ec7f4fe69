// The published networks: shapes, multiply-accumulates and parameters as published.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/read_net.h"
#include "shared_data.h"
#include "temporary_folder.h"

namespace latgrad::net {
namespace {

constexpr const char* kNetworks[] = {"ChamNet-A", "ChamNet-C", "ChamNet-E", "FBNet-A", "FBNet-C", "FBNet-96"};
constexpr const char* kPrecisions[] = {"int8", "fp32"};

nlohmann::json load(const std::string& path) {
  return nlohmann::json::parse(std::ifstream(shared_data(path)));
}

// To one decimal, as the tables print it.
double in_millions(int64_t count) { return std::round(static_cast<double>(count) / 1e5) / 10; }

class ZooTest : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  std::string network() const { return std::get<0>(GetParam()); }
  std::string precision() const { return std::get<1>(GetParam()); }
  std::string folder() const { return "zoo/" + network() + "/" + precision(); }
};

TEST_P(ZooTest, EveryBlobHasItsShape) {
  LATGRAD_NEED_SHARED("zoo");
  const NetShapes shapes = infer_shapes(read_net(shared_data(folder())));
  const nlohmann::json published = load(folder() + "/shapes.json");
  size_t blobs = 0;
  for (const char* section : {"inputs", "params", "blobs"}) {
    for (const auto& [blob, shape] : published.at(section).items()) {
      ASSERT_TRUE(shapes.blobs.contains(blob)) << blob;
      EXPECT_EQ(shapes.blobs.find(blob)->second.shape, shape.get<Shape>()) << blob;
      ++blobs;
    }
  }
  EXPECT_GT(blobs, 90);
}

TEST_P(ZooTest, CountsAsPublished) {
  LATGRAD_NEED_SHARED("zoo");
  const Net net = read_net(shared_data(folder()));
  const NetShapes shapes = infer_shapes(net);
  const nlohmann::json published = load("zoo/published.json").at("networks").at(network());
  EXPECT_EQ(in_millions(count_macs(shapes).macs), published.at("mmacs"));
  EXPECT_EQ(in_millions(count_parameters(net, shapes).weights), published.at("mparams"));
}

TEST_P(ZooTest, ShapesJsonGivesWhatTheInitNetGives) {
  LATGRAD_NEED_SHARED("zoo");
  const Net net = read_net(shared_data(folder()));
  const TemporaryFolder copied;
  write_netdef(net, copied / "model.pbtxt");
  std::filesystem::copy_file(shared_data(folder() + "/shapes.json"), copied / "shapes.json");
  const Net copy = read_net(copied.path());
  EXPECT_EQ(copy.parameters, net.parameters);
  EXPECT_EQ(copy.inputs, net.inputs);
}

TEST_P(ZooTest, QuantisedConvolutionsReadUint8AndInt32) {
  LATGRAD_NEED_SHARED("zoo");
  const Net net = read_net(shared_data(folder()));
  const NetShapes shapes = infer_shapes(net);
  const bool int8 = precision() == "int8";
  size_t convolutions = 0;
  for (size_t k = 0; k < net.ops.size(); ++k) {
    if (net.ops[k].type.find("Conv") == std::string::npos) continue;
    ++convolutions;
    EXPECT_EQ(shapes.ops[k].inputs[0].dtype, int8 ? DataType::kUint8 : DataType::kFloat);
    EXPECT_EQ(shapes.ops[k].inputs[1].dtype, int8 ? DataType::kUint8 : DataType::kFloat);
    if (shapes.ops[k].inputs.size() < 3) continue;  // FBNet-96 in fp32 has convolutions without bias
    EXPECT_EQ(shapes.ops[k].inputs[2].dtype, int8 ? DataType::kInt32 : DataType::kFloat);
  }
  EXPECT_GT(convolutions, 20);
  const auto& output = shapes.blobs.find(net.external_outputs[0])->second;
  EXPECT_EQ(output, (TensorInfo{{1, 1000}, DataType::kFloat}));
}

TEST_P(ZooTest, TextAndBinaryCarryTheSame) {
  LATGRAD_NEED_SHARED("zoo");
  const Net net = read_net(shared_data(folder()));
  const Net text = parse_netdef_text(netdef_text(net), "");
  const Net binary = parse_netdef_binary(netdef_binary(net), "");
  EXPECT_EQ(text.ops, net.ops);
  EXPECT_EQ(binary.ops, net.ops);
  EXPECT_EQ(netdef_text(binary), netdef_text(net));
}

TEST_P(ZooTest, AsksForTheWeightThatNoFileDescribes) {
  LATGRAD_NEED_SHARED("zoo");
  Net net = read_net(shared_data(folder()));
  net.parameters.clear();
  const std::string first_weight = net.ops[precision() == "int8" ? 2 : 0].inputs[1];
  try {
    infer_shapes(net);
    FAIL() << "the weights are not known";
  } catch (const NetError& error) {
    EXPECT_EQ(error.place().blob, first_weight);
    EXPECT_EQ(error.place().file, net.source);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ZooTest,
                         testing::Combine(testing::ValuesIn(kNetworks), testing::ValuesIn(kPrecisions)),
                         [](const auto& info) {
                           std::string name =
                               std::get<0>(info.param) + std::string("_") + std::get<1>(info.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(ZooFilesTest, BinaryIsReadAsText) {
  LATGRAD_NEED_SHARED("zoo");
  for (const char* precision : kPrecisions) {
    const std::string folder = std::string("zoo/FBNet-96/") + precision;
    const Net binary = read_net(shared_data(folder + "/model.pb"), shared_data(folder + "/model_init.pb"));
    const Net text =
        read_net(shared_data(folder + "/model.pbtxt"), shared_data(folder + "/model_init.pbtxt"));
    EXPECT_EQ(binary.ops, text.ops);
    EXPECT_EQ(binary.parameters, text.parameters);
    EXPECT_EQ(binary.external_inputs, text.external_inputs);
  }
}

}  // namespace
}  // namespace latgrad::net
