// Networks of the spaces in data/spaces, beside the published Caffe2 ones: MACs and parameters as published,
// and the very products of the networks as PyTorch exports them.

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/read_net.h"
#include "latgrad/search/lowering.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

struct Network {
  const char* space;
  const char* name;
  int64_t macs;
  int64_t trained_parameters;
  const char* exported;  // the folder in shared data; empty: none
};

void PrintTo(const Network& network, std::ostream* out) { *out << network.name; }

class SpacesOfTodayTest : public testing::TestWithParam<Network> {};

Space load(const Network& network) {
  return Space::load(source_file(std::string("data/spaces/") + network.space + ".textproto"));
}

// The figures of PyTorch image models where there is an exported network. Of the others only rounded ones
// were published: 320 M MACs and 4.08 M parameters (ProxylessNAS), 8.60 M parameters (FBNetV3-B).
TEST_P(SpacesOfTodayTest, HaveTheMacsAndParametersThatWerePublished) {
  const Space space = load(GetParam());
  const Architecture arch = space.parse_architecture(GetParam().name);
  const net::NetShapes shapes = net::infer_shapes(lower(space, arch, Precision::kFp32));
  EXPECT_EQ(*net::count_macs(shapes).total(), GetParam().macs);
  EXPECT_EQ(trained_parameters(space, arch, Precision::kFp32), GetParam().trained_parameters);
}

// Type and shapes of each product, without its bias.
std::vector<std::string> products(const net::Net& net) {
  const net::NetShapes shapes = net::infer_shapes(net);
  std::vector<std::string> lines;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (shapes.ops[i].macs.value_or(0) == 0) continue;
    const std::string type = net.ops[i].type == "MatMul" ? "FC" : net.ops[i].type;
    net::Shape input = shapes.ops[i].inputs[0].shape;
    if (type == "FC")
      input = {input[0], net::num_elements(input) / input[0]};  // behind a pool, flattened or not
    lines.push_back(type + " " + net::to_string(input) + " " + net::to_string(shapes.ops[i].inputs[1].shape) +
                    " -> " + net::to_string(shapes.ops[i].outputs[0].shape));
  }
  return lines;
}

TEST_P(SpacesOfTodayTest, HaveTheProductsOfTheExportedNetwork) {
  if (GetParam().exported[0] == '\0') GTEST_SKIP() << "no exported network among the shared data";
  LATGRAD_NEED_SHARED("onnx");
  const Space space = load(GetParam());
  const net::Net exported = net::read_net(shared_data(std::string("onnx/") + GetParam().exported));
  const net::Net lowered = lower(space, space.parse_architecture(GetParam().name), Precision::kFp32);
  EXPECT_EQ(products(lowered), products(exported));
}

INSTANTIATE_TEST_SUITE_P(
    , SpacesOfTodayTest,
    testing::Values(
        Network{"fbnet", "FBNet-C", 384960160, 5572200, "fbnetc_100"},
        Network{"mobilenet_v2", "MobileNetV2", 300774272, 3504872, "mobilenetv2_100"},
        Network{"proxylessnas", "ProxylessNAS-mobile", 320427584, 4080512, ""},
        Network{"mobilenet_v3_large", "MobileNetV3-Large", 216589760, 5483032, "mobilenetv3_large_100"},
        Network{"mobilenet_v3_small", "MobileNetV3-Small", 56510400, 2542856, "mobilenetv3_small_100"},
        Network{"efficientnet_b0", "EfficientNet-B0", 385814752, 5288548, "efficientnet_b0"},
        Network{"fbnet_v3", "FBNetV3-B", 407508576, 8598464, ""},
        Network{"vit_tiny", "DeiT-tiny", 1253683200, 5717416, "vit_tiny_patch16_224"}));

}  // namespace
}  // namespace latgrad::search
