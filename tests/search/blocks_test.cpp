// The plan that a supernet is built from, against the operators that are priced.

#include "latgrad/search/blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/search/lowering.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

// What a convolution is in a lowered network, by its operator.
Convolution read_convolution(const net::Net& net, size_t index) {
  const net::Operator& op = net.ops[index];
  const bool int8 = op.type.starts_with("Int8");
  const auto argument = [&](const char* name, int64_t when_absent) {
    const net::Argument* arg = op.find_arg(name);
    return arg == nullptr ? when_absent : arg->i.value();
  };
  const net::Shape& weight = net.parameters.at(op.inputs.at(1)).shape;
  Convolution conv;
  conv.out_channels = weight[0];
  conv.kernel = int8 ? weight[1] : weight[2];
  conv.groups = argument("group", 1);
  conv.in_channels = (int8 ? weight[3] : weight[1]) * conv.groups;
  conv.stride = argument("stride", 1);
  conv.pad = argument("pad", 0);
  conv.dilation = argument("dilation", 1);
  conv.bias = op.inputs.size() == 3;
  size_t next = index + 1;
  if (int8) {
    conv.relu = op.type == "Int8ConvRelu";
  } else if (next < net.ops.size() && net.ops[next].type == "Relu") {
    conv.relu = true;
    ++next;
  }
  conv.shuffled = next < net.ops.size() && net.ops[next].type.ends_with("ChannelShuffle");
  return conv;
}

bool is_convolution(const net::Operator& op) {
  return op.type == "Conv" || op.type == "Int8Conv" || op.type == "Int8ConvRelu";
}

std::vector<Convolution> read_convolutions(const net::Net& net) {
  std::vector<Convolution> found;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (is_convolution(net.ops[i])) found.push_back(read_convolution(net, i));
  }
  return found;
}

std::vector<Convolution> without_roles(std::vector<Convolution> convolutions) {
  for (Convolution& conv : convolutions) conv.role.clear();
  return convolutions;
}

class BlocksOfSpaceTest : public testing::TestWithParam<std::string> {};

TEST_P(BlocksOfSpaceTest, AreTheOperatorsThatAreLowered) {
  const Space space = Space::load(source_file("data/spaces/" + GetParam() + ".textproto"));
  for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
    for (size_t layer = 0; layer < space.layers().size(); ++layer) {
      const LayerInfo& info = space.layers()[layer];
      for (size_t candidate = 0; candidate < info.candidates.size(); ++candidate) {
        if (!info.offered[candidate]) continue;
        const Block block = block_at(space, layer, candidate, precision);
        const net::Net net = lower_block(space, layer, candidate, precision);
        EXPECT_EQ(without_roles(block.convolutions), read_convolutions(net));
        EXPECT_EQ(block.residual, !net.ops.empty() && net.ops.back().type.ends_with("Sum"));
      }
    }
    const FixedPart fixed = fixed_part(space, precision);
    const net::Net net = lower_fixed(space, precision);
    std::vector<Convolution> convolutions;
    if (fixed.stem) convolutions.push_back(*fixed.stem);
    if (fixed.head) convolutions.push_back(*fixed.head);
    EXPECT_EQ(without_roles(convolutions), read_convolutions(net));
    const net::Shape& logits = net.parameters.at("logits_w").shape;
    EXPECT_EQ(logits, (net::Shape{fixed.classes, fixed.pooled_channels}));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BlocksOfSpaceTest,
                         testing::Values("fbnet", "fbnet_a", "fbnet_c", "fbnet_96", "fbnet_cifar",
                                         "chamnet_a", "chamnet_c", "chamnet_e", "tiny"));

TEST(BlocksTest, SayWhatABlockIsMadeOf) {
  const Space space = Space::load(source_file("data/spaces/fbnet.textproto"));
  const Block block = block_at(space, 1, 5, Precision::kInt8);  // k5_e1_g2, 16 to 24 channels, stride 2
  ASSERT_EQ(block.convolutions.size(), 3u);
  EXPECT_EQ(block.convolutions[0], (Convolution{.role = "expand",
                                                .in_channels = 16,
                                                .out_channels = 16,
                                                .groups = 2,
                                                .relu = true,
                                                .shuffled = true}));
  EXPECT_EQ(block.convolutions[1], (Convolution{.role = "dw",
                                                .in_channels = 16,
                                                .out_channels = 16,
                                                .kernel = 5,
                                                .stride = 2,
                                                .pad = 2,
                                                .groups = 16,
                                                .relu = true}));
  EXPECT_EQ(block.convolutions[2],
            (Convolution{.role = "project", .in_channels = 16, .out_channels = 24, .groups = 2}));
  EXPECT_FALSE(block.residual);
  EXPECT_TRUE(block_at(space, 2, 0, Precision::kInt8).residual);
  EXPECT_TRUE(block_at(space, 2, 8, Precision::kInt8).convolutions.empty());  // the identity
}

TEST(BlocksTest, RefusesWhatIsNotOffered) {
  const Space space = Space::load(source_file("data/spaces/tiny.textproto"));
  EXPECT_THROW(block_at(space, 3, 3, Precision::kInt8), ValueError);  // a skip where the shape changes
  EXPECT_THROW(block_at(space, 0, 2, Precision::kInt8), ValueError);
  EXPECT_THROW(block_at(space, 4, 0, Precision::kInt8), ValueError);
}

}  // namespace
}  // namespace latgrad::search
