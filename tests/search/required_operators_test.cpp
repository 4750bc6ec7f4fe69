// The distinct operators that a space needs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

TEST(RequiredOperatorsTest, MergesWhatIsTheSameAndNamesItsUsers) {
  // Both layers are alike, and so are the two 1x1 convolutions without ReLU ... but for the sum.
  const Space space = Space::parse(R"(
    name: "twins"
    input { height: 8 width: 8 }
    candidate { name: "a" block { depthwise { kernel: 3 } depthwise { kernel: 3 } } }
    candidate { name: "b" block { depthwise { kernel: 3 } residual: false } }
    stage { name: "one" channels: 3 layers: 2 }
    head { classes: 2 }
  )",
                                   "twins.textproto");
  const std::vector<MissingOperator> required = required_operators(space, Precision::kInt8);
  std::vector<std::string> types;
  for (const MissingOperator& op : required) types.push_back(op.key.op_type);
  EXPECT_THAT(types, ElementsAre("NCHW2NHWC", "Int8Quantize", "Int8AveragePool", "Int8FC", "Int8Softmax",
                                 "Int8Dequantize", "Int8ConvRelu", "Int8Conv", "Int8Sum"));
  EXPECT_THAT(required[0].used_by, ElementsAre("fixed"));
  EXPECT_THAT(required[6].used_by, ElementsAre("layer 1 a", "layer 1 b", "layer 2 a", "layer 2 b"));
  EXPECT_THAT(required[8].used_by, ElementsAre("layer 1 a", "layer 2 a"));
}

// The slow obvious twin: the operators of whole networks that together make every choice once.
TEST(RequiredOperatorsTest, AreThoseOfTheNetworks) {
  for (const char* name : {"tiny", "fbnet", "fbnet_cifar"}) {
    for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
      SCOPED_TRACE(std::string(name) + " " + std::string(to_string(precision)));
      const Space space = load(name);
      std::set<std::string> in_networks;
      for (size_t choice = 0; choice < space.max_candidates(); ++choice) {
        Architecture arch;
        for (const LayerInfo& layer : space.layers()) {
          const bool offered = choice < layer.candidates.size() && layer.offered[choice];
          const auto first = std::ranges::find(layer.offered, true) - layer.offered.begin();
          arch.push_back(static_cast<int>(offered ? static_cast<std::ptrdiff_t>(choice) : first));
        }
        const net::Net net = lower(space, arch, precision);
        const net::NetShapes shapes = net::infer_shapes(net);
        for (size_t i = 0; i < net.ops.size(); ++i) {
          in_networks.insert(lut::canonical(lut::operator_key(net.ops[i], shapes.ops[i])));
        }
      }
      std::set<std::string> required;
      for (const MissingOperator& op : required_operators(space, precision)) {
        EXPECT_TRUE(required.insert(lut::canonical(op.key)).second);
      }
      EXPECT_TRUE(required == in_networks) << required.size() << " and " << in_networks.size();
    }
  }
}

// Counted by hand from the table of the space: the candidate blocks have 131 distinct int8 convolutions. Six
// layers project their skip; at stride 1 (64 to 112 and 184 to 352 channels) the projection is the last
// convolution of an e1 block, so four are new. Stem and head add one each. In fp32 the ReLU is an operator of
// its own, and twelve pairs of convolutions that differ only in it become one.
TEST(RequiredOperatorsTest, FbnetNeedsFewDistinctConvolutions) {
  const auto count = [](Precision precision, const std::string& type) {
    const auto required = required_operators(load("fbnet"), precision);
    return std::ranges::count_if(required,
                                 [&](const MissingOperator& op) { return op.key.op_type.starts_with(type); });
  };
  EXPECT_EQ(count(Precision::kInt8, "Int8Conv"), 131 + 4 + 2);
  EXPECT_EQ(count(Precision::kFp32, "Conv"), 131 + 4 + 2 - 12);
}

}  // namespace
}  // namespace latgrad::search
