// Lowering of spaces small enough to write their networks down by hand.

#include "latgrad/search/lowering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/netdef.h"
#include "listing.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two layers on a 2 x 3 x 9 x 6 input: the stem makes 5 x 3 of it, the second layer 3 x 2.
constexpr const char* kSmallSpace = R"(
  name: "small"
  input { batch: 2 height: 9 width: 6 }
  stem { channels: 4 kernel: 3 stride: 2 }
  candidate { name: "g" block { expand: 2 groups: 2 depthwise { kernel: 3 } depthwise { kernel: 5 } } }
  candidate { name: "d" block { depthwise { kernel: 3 dilation: 2 relu: NEVER bias: INT8_ONLY } } }
  candidate { name: "skip" skip { elsewhere: PROJECTION relu: ALWAYS } }
  stage { name: "a" channels: 4 }
  stage { name: "b" channels: 6 stride: 2 }
  head { channels: 8 classes: 10 }
  depthwise_relu: FP32_ONLY
  arguments { name: "order" precision: INT8 applies_to: [SUM, FC] arg { name: "order" s: "NHWC" } }
  arguments { name: "engine" precision: FP32 applies_to: DEPTHWISE engine: "NNPACK" }
)";

Space small_space() { return Space::parse(kSmallSpace, "small.textproto"); }

TEST(LoweringTest, WritesFp32Operators) {
  const net::Net net = lower(small_space(), {0, 1}, Precision::kFp32);
  EXPECT_THAT(
      listing(net.ops),
      ElementsAre(
          "Conv data,stem_w,stem_b -> stem_conv kernel=3 stride=2 pad=1 order=NCHW", "Relu stem_conv -> stem",
          "Conv stem,layer01_g_expand_w,layer01_g_expand_b -> layer01_g_expand_conv "
          "kernel=1 stride=1 pad=0 group=2 order=NCHW",
          "Relu layer01_g_expand_conv -> layer01_g_expand",
          "ChannelShuffle layer01_g_expand -> layer01_g_expand_shuffle group=2",
          "Conv layer01_g_expand_shuffle,layer01_g_dw1_w,layer01_g_dw1_b -> layer01_g_dw1_conv "
          "kernel=3 stride=1 pad=1 group=8 order=NCHW engine:NNPACK",
          "Relu layer01_g_dw1_conv -> layer01_g_dw1",
          "Conv layer01_g_dw1,layer01_g_dw2_w,layer01_g_dw2_b -> layer01_g_dw2_conv "
          "kernel=5 stride=1 pad=2 group=8 order=NCHW engine:NNPACK",
          "Relu layer01_g_dw2_conv -> layer01_g_dw2",
          "Conv layer01_g_dw2,layer01_g_project_w,layer01_g_project_b -> layer01_g_project "
          "kernel=1 stride=1 pad=0 group=2 order=NCHW",
          "Sum layer01_g_project,stem -> layer01_g_sum",
          "Conv layer01_g_sum,layer02_d_dw_w -> layer02_d_dw "
          "kernel=3 stride=2 pad=2 group=4 dilation=2 order=NCHW engine:NNPACK",
          "Conv layer02_d_dw,layer02_d_project_w,layer02_d_project_b -> layer02_d_project "
          "kernel=1 stride=1 pad=0 order=NCHW",
          "Conv layer02_d_project,head_w,head_b -> head_conv kernel=1 stride=1 pad=0 order=NCHW",
          "Relu head_conv -> head", "AveragePool head -> pool kernel_h=3 kernel_w=2 stride=1 order=NCHW",
          "FC pool,logits_w,logits_b -> logits", "Softmax logits -> softmax"));
  EXPECT_EQ(net.inputs.at("data"), (net::TensorInfo{{2, 3, 9, 6}, net::DataType::kFloat}));
  EXPECT_EQ(net.parameters.at("stem_w"), (net::TensorInfo{{4, 3, 3, 3}, net::DataType::kFloat}));
  EXPECT_EQ(net.parameters.at("layer01_g_expand_w"), (net::TensorInfo{{8, 2, 1, 1}, net::DataType::kFloat}));
  EXPECT_EQ(net.parameters.at("layer01_g_dw2_w"), (net::TensorInfo{{8, 1, 5, 5}, net::DataType::kFloat}));
  EXPECT_EQ(net.parameters.at("layer01_g_project_w"), (net::TensorInfo{{4, 4, 1, 1}, net::DataType::kFloat}));
  EXPECT_EQ(net.parameters.at("logits_w"), (net::TensorInfo{{10, 8}, net::DataType::kFloat}));
  EXPECT_EQ(net.parameters.count("layer02_d_dw_b"), 0u);
  EXPECT_THAT(net.external_outputs, ElementsAre("softmax"));
  EXPECT_EQ(net.external_inputs.size(), 1 + net.parameters.size());
}

TEST(LoweringTest, WritesInt8Operators) {
  const net::Net net = lower(small_space(), {0, 1}, Precision::kInt8);
  EXPECT_THAT(
      listing(net.ops),
      ElementsAre(
          "NCHW2NHWC data -> data_nhwc", "Int8Quantize data_nhwc -> data_int8 Y_scale=1 Y_zero_point=0",
          "Int8ConvRelu data_int8,stem_w,stem_b -> stem "
          "kernel=3 stride=2 pad=1 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8ConvRelu stem,layer01_g_expand_w,layer01_g_expand_b -> layer01_g_expand "
          "kernel=1 stride=1 pad=0 group=2 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8ChannelShuffle layer01_g_expand -> layer01_g_expand_shuffle group=2 Y_scale=1 Y_zero_point=0",
          "Int8Conv layer01_g_expand_shuffle,layer01_g_dw1_w,layer01_g_dw1_b -> layer01_g_dw1 "
          "kernel=3 stride=1 pad=1 group=8 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8Conv layer01_g_dw1,layer01_g_dw2_w,layer01_g_dw2_b -> layer01_g_dw2 "
          "kernel=5 stride=1 pad=2 group=8 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8Conv layer01_g_dw2,layer01_g_project_w,layer01_g_project_b -> layer01_g_project "
          "kernel=1 stride=1 pad=0 group=2 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8Sum layer01_g_project,stem -> layer01_g_sum Y_scale=1 Y_zero_point=0 order=NHWC",
          "Int8Conv layer01_g_sum,layer02_d_dw_w,layer02_d_dw_b -> layer02_d_dw "
          "kernel=3 stride=2 pad=2 group=4 dilation=2 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8Conv layer02_d_dw,layer02_d_project_w,layer02_d_project_b -> layer02_d_project "
          "kernel=1 stride=1 pad=0 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8ConvRelu layer02_d_project,head_w,head_b -> head "
          "kernel=1 stride=1 pad=0 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8AveragePool head -> pool kernel_h=3 kernel_w=2 stride=1 order=NHWC Y_scale=1 Y_zero_point=0",
          "Int8FC pool,logits_w,logits_b -> logits Y_scale=1 Y_zero_point=0 order=NHWC",
          "Int8Softmax logits -> softmax_int8 Y_scale=1/256 Y_zero_point=0",
          "Int8Dequantize softmax_int8 -> softmax"));
  EXPECT_EQ(net.parameters.at("stem_w"), (net::TensorInfo{{4, 3, 3, 3}, net::DataType::kUint8}));
  EXPECT_EQ(net.parameters.at("stem_b"), (net::TensorInfo{{4}, net::DataType::kInt32}));
  EXPECT_EQ(net.parameters.at("layer01_g_expand_w"), (net::TensorInfo{{8, 1, 1, 2}, net::DataType::kUint8}));
  EXPECT_EQ(net.parameters.at("layer01_g_dw2_w"), (net::TensorInfo{{8, 5, 5, 1}, net::DataType::kUint8}));
}

TEST(LoweringTest, ShapesFollowOddMapsAndBatches) {
  for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
    const net::NetShapes shapes = net::infer_shapes(lower(small_space(), {0, 0}, precision));
    const bool int8 = precision == Precision::kInt8;
    EXPECT_EQ(shapes.blobs.at("stem").shape, int8 ? net::Shape({2, 5, 3, 4}) : net::Shape({2, 4, 5, 3}));
    EXPECT_EQ(shapes.blobs.at("layer02_g_project").shape,
              int8 ? net::Shape({2, 3, 2, 6}) : net::Shape({2, 6, 3, 2}));
    EXPECT_EQ(shapes.blobs.at("softmax").shape, net::Shape({2, 10}));
  }
}

TEST(LoweringTest, SkipIsAnIdentityOrAProjection) {
  const Space space = small_space();
  EXPECT_THAT(lower_block(space, 0, 2, Precision::kInt8).ops, IsEmpty());
  EXPECT_THAT(lower_block(space, 0, 2, Precision::kInt8).external_outputs, ElementsAre("layer01_in"));
  EXPECT_THAT(
      listing(lower_block(space, 1, 2, Precision::kInt8).ops),
      ElementsAre("Int8ConvRelu layer02_in,layer02_skip_project_w,layer02_skip_project_b -> "
                  "layer02_skip_project kernel=1 stride=2 pad=0 order=NHWC Y_scale=1 Y_zero_point=0"));
  EXPECT_THAT(listing(lower_block(space, 1, 2, Precision::kFp32).ops),
              ElementsAre("Conv layer02_in,layer02_skip_project_w,layer02_skip_project_b -> "
                          "layer02_skip_project_conv kernel=1 stride=2 pad=0 order=NCHW",
                          "Relu layer02_skip_project_conv -> layer02_skip_project"));
}

TEST(LoweringTest, FixedPartHasAGapWithKnownShapes) {
  const net::Net net = lower_fixed(small_space(), Precision::kInt8);
  EXPECT_EQ(net.inputs.at("data"), (net::TensorInfo{{2, 3, 9, 6}, net::DataType::kFloat}));
  EXPECT_EQ(net.inputs.at("layers_out"), (net::TensorInfo{{2, 3, 2, 6}, net::DataType::kUint8}));
  EXPECT_THAT(net.external_outputs, ElementsAre("stem", "softmax"));
  EXPECT_EQ(net.ops.size(), 8u);
  EXPECT_EQ(net::infer_shapes(net).blobs.at("pool").shape, net::Shape({2, 1, 1, 8}));
  const net::Net fp32 = lower_fixed(small_space(), Precision::kFp32);
  EXPECT_EQ(fp32.inputs.at("layers_out"), (net::TensorInfo{{2, 6, 3, 2}, net::DataType::kFloat}));
}

// Whatever is chosen, a block leaves the shape that the next layer expects.
TEST(LoweringTest, EveryBlockFitsItsLayer) {
  for (const char* file :
       {"fbnet", "fbnet_a", "fbnet_c", "fbnet_96", "fbnet_cifar", "chamnet_a", "chamnet_c", "chamnet_e",
        "tiny", "mobilenet_v2", "proxylessnas", "mobilenet_v3_large", "mobilenet_v3_small", "once_for_all",
        "efficientnet_b0", "fbnet_v3", "vit_tiny", "fbnet_v2_like"}) {
    SCOPED_TRACE(file);
    const Space space = Space::load(source_file(std::string("data/spaces/") + file + ".textproto"));
    for (size_t layer = 0; layer < space.layers().size(); ++layer) {
      const LayerInfo& info = space.layers()[layer];
      const size_t num_predecessors = layer == 0 ? 1 : space.layers()[layer - 1].candidates.size();
      for (size_t pair = 0; pair < num_predecessors * info.candidates.size(); ++pair) {
        const size_t predecessor = pair / info.candidates.size();
        const size_t candidate = pair % info.candidates.size();
        if (!space.fits(layer, predecessor, candidate)) continue;
        const net::Net net = lower_block(space, layer, candidate, Precision::kFp32, predecessor);
        const net::NetShapes shapes = net::infer_shapes(net);
        const net::Shape out =
            net.ops.empty() ? net.inputs.begin()->second.shape : shapes.ops.back().outputs.at(0).shape;
        const int64_t channels = info.channels[candidate];
        EXPECT_EQ(out, info.tokens > 0 ? net::Shape({1, info.tokens, channels})
                                       : net::Shape({1, channels, info.out_height, info.out_width}))
            << "layer " << layer + 1 << " " << info.candidates[candidate];
      }
    }
  }
}

TEST(LoweringTest, ReluInPlaceWritesOverItsInput) {
  const Space space = Space::parse(std::string(kSmallSpace) + "relu_in_place: true", "small.textproto");
  const std::vector<std::string> lines = listing(lower(space, {2, 2}, Precision::kFp32).ops);
  EXPECT_THAT(lines, testing::Contains("Relu stem -> stem"));
  EXPECT_THAT(lines, testing::Contains("Relu layer02_skip_project -> layer02_skip_project"));
}

TEST(LoweringTest, UnitExpansionIsDroppedWhereTheSpaceSaysSo) {
  const std::string text = R"(
    name: "unit"
    input { height: 8 width: 8 }
    stem { channels: 4 }
    candidate { name: "e1_g2" block { expand: 1 groups: 2 depthwise { kernel: 3 } } }
    candidate { name: "e2" block { expand_channels: 8 depthwise { kernel: 3 } residual: false } }
    candidate { name: "g2" block { expand: 1 groups: 2 shuffle: false depthwise { kernel: 3 } } }
    stage { name: "a" channels: 4 }
    head { classes: 2 }
  )";
  const auto types = [](const net::Net& net) {
    std::vector<std::string> names;
    for (const net::Operator& op : net.ops) names.push_back(op.type);
    return names;
  };
  const Space keeps = Space::parse(text, "unit.textproto");
  EXPECT_THAT(types(lower_block(keeps, 0, 0, Precision::kInt8)),
              ElementsAre("Int8ConvRelu", "Int8ChannelShuffle", "Int8ConvRelu", "Int8Conv", "Int8Sum"));
  EXPECT_THAT(types(lower_block(keeps, 0, 1, Precision::kInt8)),
              ElementsAre("Int8ConvRelu", "Int8ConvRelu", "Int8Conv"));
  EXPECT_THAT(types(lower_block(keeps, 0, 2, Precision::kInt8)),
              ElementsAre("Int8ConvRelu", "Int8ConvRelu", "Int8Conv", "Int8Sum"));
  const Space drops = Space::parse(text + "drop_unit_expansion: true", "unit.textproto");
  EXPECT_THAT(types(lower_block(drops, 0, 0, Precision::kInt8)),
              ElementsAre("Int8ConvRelu", "Int8Conv", "Int8Sum"));
  EXPECT_THAT(types(lower_block(drops, 0, 1, Precision::kInt8)),
              ElementsAre("Int8ConvRelu", "Int8ConvRelu", "Int8Conv"));
}

// A 1x1 convolution of as many groups as channels is still no depthwise one.
TEST(LoweringTest, ArgumentRulesFollowTheFieldsAndNotTheShapes) {
  const Space space = Space::parse(R"(
name: "grouped" input { channels: 4 height: 8 width: 8 }
candidate { name: "b" block { expand: 1 groups: 4 depthwise { kernel: 3 } } }
stage { name: "s" channels: 4 } head { classes: 2 }
arguments { name: "c" applies_to: CONV arg { name: "tag" s: "conv" } }
arguments { name: "d" applies_to: DEPTHWISE arg { name: "tag" s: "depthwise" } })",
                                   "test");
  std::map<std::string, std::string> tags;
  for (const net::Operator& op : lower_block(space, 0, 0, Precision::kFp32).ops) {
    if (const net::Argument* tag = op.find_arg("tag")) tags[op.inputs[1]] = *tag->s;
  }
  EXPECT_EQ(tags, (std::map<std::string, std::string>{{"layer01_b_expand_w", "conv"},
                                                      {"layer01_b_dw_w", "depthwise"},
                                                      {"layer01_b_project_w", "conv"}}));
}

TEST(LoweringTest, StemAndHeadConvolutionMayBeAbsent) {
  const Space space = Space::parse(R"(
    name: "bare"
    input { blob: "image" height: 4 width: 4 }
    candidate { name: "d" block { depthwise { kernel: 3 } } }
    stage { name: "a" channels: 3 }
    head { classes: 2 }
  )",
                                   "bare.textproto");
  EXPECT_THAT(listing(lower_fixed(space, Precision::kFp32).ops),
              ElementsAre("AveragePool layers_out -> pool kernel=4 stride=1 order=NCHW",
                          "FC pool,logits_w,logits_b -> logits", "Softmax logits -> softmax"));
  EXPECT_EQ(net::infer_shapes(lower(space, {0}, Precision::kInt8)).blobs.at("softmax").shape,
            net::Shape({1, 2}));
}

TEST(LoweringTest, LoweredNetIsReadBackAsWritten) {
  const net::Net net = lower(small_space(), {0, 2}, Precision::kInt8);
  const net::Net read = net::parse_netdef_text(net::netdef_text(net), "small.pbtxt");
  EXPECT_EQ(read.ops, net.ops);
  EXPECT_EQ(read.external_inputs, net.external_inputs);
  EXPECT_EQ(read.external_outputs, net.external_outputs);
  EXPECT_EQ(read.name, "small_int8");
}

void expect_value_error(const std::function<void()>& action, const std::string& message) {
  try {
    action();
    ADD_FAILURE() << "expected: " << message;
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(LoweringTest, RefusesWhatTheSpaceDoesNotOffer) {
  const Space tiny = Space::load(source_file("data/spaces/tiny.textproto"));
  expect_value_error(
      [&] {
        lower(tiny, {0, 0, 0}, Precision::kInt8);
      },
      "an architecture of tiny must choose for 4 layers, got 3");
  expect_value_error(
      [&] {
        lower(tiny, {0, 0, 0, 3}, Precision::kInt8);
      },
      "layer 3 (counted from 0) must be one of those offered of 0 k3_e3, 1 k5_e3_g2, 2 k3_e1, 3 skip (not "
      "offered here); got 3 skip");
  expect_value_error([&] { lower_block(tiny, 4, 0, Precision::kInt8); },
                     "layer index must be below 4, got 4");
  expect_value_error([&] { lower_block(tiny, 0, 2, Precision::kInt8); },
                     "layer 0 (counted from 0) must be one of 0 k3_e1, 1 skip; got 2");
  expect_value_error([&] { lower_block(tiny, 3, 3, Precision::kInt8); },
                     "layer 3 (counted from 0) must be one of those offered");
}

}  // namespace
}  // namespace latgrad::search
