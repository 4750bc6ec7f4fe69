// The kinds of candidates beside FBNet's block and skip: what they lower to, and what they refuse.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/fragment.h"
#include "latgrad/search/lowering.h"
#include "listing.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two layers of 8 channels at 16 x 16, then what a test adds.
Space space_of(const std::string& parts) {
  return Space::parse(R"(
    name: "s"
    input { height: 32 width: 32 }
    stem { channels: 8 stride: 2 }
  )" + parts + (parts.find("head {") == parts.npos ? " head { channels: 32 classes: 10 }" : ""),
                      "s.textproto");
}

Space with_candidate(const std::string& candidate, const std::string& stage = "channels: 8 layers: 2",
                     const std::string& more = "") {
  return space_of("candidate { name: \"c\" " + candidate + " } stage { name: \"a\" " + stage + " } " + more);
}

int64_t block_macs(const Space& space, Precision precision = Precision::kFp32, size_t layer = 0) {
  return *net::count_macs(net::infer_shapes(lower_block(space, layer, 0, precision))).total();
}

std::vector<std::string> types(const Space& space, Precision precision = Precision::kFp32, size_t layer = 0) {
  std::vector<std::string> names;
  for (const net::Operator& op : lower_block(space, layer, 0, precision).ops) names.push_back(op.type);
  return names;
}

TEST(BlocksTest, SqueezeAndExcite) {
  const Space space =
      with_candidate("block { expand: 3 depthwise { kernel: 3 } squeeze_excite { reduction: 4 } }");
  EXPECT_EQ(block_macs(space), 8 * 24 * 256 + 24 * 9 * 256 + 24 * 6 + 6 * 24 + 24 * 8 * 256);
  EXPECT_THAT(types(space), ElementsAre("Conv", "Relu", "Conv", "Relu", "AveragePool", "Conv", "Relu", "Conv",
                                        "Sigmoid", "Mul", "Conv", "Sum"));
  EXPECT_THAT(types(space, Precision::kInt8),
              ElementsAre("Int8ConvRelu", "Int8ConvRelu", "Int8AveragePool", "Int8ConvRelu", "Int8Conv",
                          "Int8Sigmoid", "Int8Mul", "Int8Conv", "Int8Sum"));
  const std::vector<std::string> lines = listing(lower_block(space, 0, 0, Precision::kFp32).ops);
  EXPECT_THAT(lines, testing::Contains("Mul layer01_c_dw,layer01_c_se_expand -> layer01_c_se"));
}

TEST(BlocksTest, SqueezeAndExciteOfTheInputBeforeTheActivation) {
  const Space space = with_candidate(
      "block { expand: 3 depthwise { kernel: 3 } squeeze_excite { of: INPUT reduction: 4 activation: SWISH "
      "gate: HARD_SIGMOID before_activation: true } }");
  EXPECT_THAT(types(space), ElementsAre("Conv", "Relu", "Conv", "AveragePool", "Conv", "Swish", "Conv",
                                        "HardSigmoid", "Mul", "Relu", "Conv", "Sum"));
  const Fragment fragment = block_fragment(space, 0, 0, Precision::kFp32);
  EXPECT_EQ(fragment.parameters.at("se_reduce_w").shape, net::Shape({2, 24, 1, 1}));
  EXPECT_THAT(fragment.without_norm, ElementsAre("se_expand_conv", "se_reduce_conv"));
}

TEST(BlocksTest, SqueezedChannelsAreRoundedAsPublished) {
  // MobileNetV3: a quarter of 72, as a multiple of 8 that is not below nine tenths of it.
  const auto squeezed = [](int expanded, const std::string& fields) {
    const Space space = with_candidate("block { expand_channels: " + std::to_string(expanded) +
                                       " depthwise { kernel: 3 } squeeze_excite { " + fields + " } }");
    return block_fragment(space, 0, 0, Precision::kFp32).parameters.at("se_reduce_w").shape[0];
  };
  EXPECT_EQ(squeezed(72, "multiple: 8"), 24);
  EXPECT_EQ(squeezed(120, "multiple: 8"), 32);
  EXPECT_EQ(squeezed(16, "multiple: 8"), 8);
  EXPECT_EQ(squeezed(240, "multiple: 8"), 64);
  EXPECT_EQ(squeezed(2, ""), 1);
  EXPECT_EQ(squeezed(64, "channels: 5"), 5);
}

TEST(BlocksTest, TheNearestActivationAndSqueezeCount) {
  const std::string block = "block { expand: 2 depthwise { kernel: 3 } }";
  EXPECT_THAT(types(with_candidate(block, "channels: 8", "activation: SWISH")),
              ElementsAre("Conv", "Swish", "Conv", "Swish", "Conv", "Sum"));
  EXPECT_THAT(types(with_candidate(block, "channels: 8 activation: HARD_SWISH", "activation: SWISH")),
              ElementsAre("Conv", "HardSwish", "Conv", "HardSwish", "Conv", "Sum"));
  const std::string gelu = "block { expand: 2 depthwise { kernel: 3 } activation: GELU }";
  EXPECT_THAT(types(with_candidate(gelu, "channels: 8 activation: HARD_SWISH")),
              ElementsAre("Conv", "Gelu", "Conv", "Gelu", "Conv", "Sum"));
  const std::string none = "block { expand: 2 depthwise { kernel: 3 } activation: NONE }";
  EXPECT_THAT(types(with_candidate(none)), ElementsAre("Conv", "Conv", "Conv", "Sum"));
  const std::string squeezed = "channels: 8 squeeze_excite { }";
  EXPECT_THAT(types(with_candidate(block, squeezed)), testing::Contains("Mul"));
  EXPECT_THAT(types(with_candidate(block, "channels: 8", "squeeze_excite { }")), testing::Contains("Mul"));
  const std::string without = "block { expand: 2 depthwise { kernel: 3 } squeeze_excite { none: true } }";
  EXPECT_THAT(types(with_candidate(without, squeezed)), testing::Not(testing::Contains("Mul")));
}

TEST(BlocksTest, Relu6IsCutOffByInt8Convolutions) {
  const Space space = with_candidate("block { expand: 2 depthwise { kernel: 3 } activation: RELU6 }");
  EXPECT_THAT(types(space), ElementsAre("Conv", "Clip", "Conv", "Clip", "Conv", "Sum"));
  const net::Net net = lower_block(space, 0, 0, Precision::kFp32);
  EXPECT_EQ(net.ops[1].find_arg("min")->f, 0.0F);
  EXPECT_EQ(net.ops[1].find_arg("max")->f, 6.0F);
  EXPECT_THAT(types(space, Precision::kInt8),
              ElementsAre("Int8ConvRelu", "Int8ConvRelu", "Int8Conv", "Int8Sum"));
}

TEST(BlocksTest, Int8SaysWhichOperatorItLacks) {
  const Space space = with_candidate("block { expand: 2 depthwise { kernel: 3 } activation: HARD_SWISH }");
  LATGRAD_EXPECT_ERROR(lower_block(space, 0, 0, Precision::kInt8), ValueError,
                       HasSubstr("int8 has no operator Int8HardSwish, which writes layer01_c_expand"));
}

TEST(BlocksTest, FusedExpansion) {
  const Space space = with_candidate("block { expand: 3 conv { kernel: 3 } }");
  EXPECT_EQ(block_macs(space), 8 * 24 * 9 * 256 + 24 * 8 * 256);
  EXPECT_THAT(types(space), ElementsAre("Conv", "Relu", "Conv", "Sum"));
  EXPECT_EQ(block_macs(with_candidate("block { expand: 3 conv { kernel: 3 } }", "channels: 8 stride: 2")),
            8 * 24 * 9 * 64 + 24 * 8 * 64);
}

TEST(BlocksTest, PlainConvolutions) {
  const Space space = with_candidate("conv { kernel: 3 }");
  EXPECT_EQ(block_macs(space), 8 * 8 * 9 * 256);
  EXPECT_THAT(types(space), ElementsAre("Conv", "Relu"));
  EXPECT_THAT(types(space, Precision::kInt8), ElementsAre("Int8ConvRelu"));
  EXPECT_THAT(types(with_candidate("conv { kernel: 3 residual: true activation: NONE }")),
              ElementsAre("Conv", "Sum"));
  EXPECT_EQ(block_macs(with_candidate("conv { kernel_h: 1 kernel_w: 7 groups: 4 dilation: 2 }")),
            8 * 2 * 7 * 256);
}

TEST(BlocksTest, RectangularKernelsKeepTheMap) {
  const Space space = with_candidate("block { expand: 3 depthwise { kernel_h: 1 kernel_w: 5 } }");
  EXPECT_EQ(block_macs(space), 8 * 24 * 256 + 24 * 5 * 256 + 24 * 8 * 256);
  EXPECT_THAT(listing(lower_block(space, 0, 0, Precision::kFp32).ops)[2],
              HasSubstr("kernel_h=1 kernel_w=5 stride=1 pad_t=0 pad_b=0 pad_l=2 pad_r=2 group=24"));
}

TEST(BlocksTest, PoolsAreOfferedWhereTheChannelsStay) {
  const Space space = space_of(R"(
    candidate { name: "max" pool { kernel: 3 } }
    candidate { name: "ave" pool { kind: AVERAGE kernel: 5 } }
    candidate { name: "conv" conv { kernel: 3 } }
    stage { name: "a" channels: 8 stride: 2 }
    stage { name: "b" channels: 12 })");
  EXPECT_EQ(space.layers()[0].offered, std::vector<bool>({true, true, true}));
  EXPECT_EQ(space.layers()[1].offered, std::vector<bool>({false, false, true}));
  EXPECT_THAT(types(space, Precision::kInt8), ElementsAre("Int8MaxPool"));
  const net::Net ave = lower_block(space, 0, 1, Precision::kFp32);
  EXPECT_EQ(net::infer_shapes(ave).ops[0].outputs[0].shape, net::Shape({1, 8, 8, 8}));
}

TEST(BlocksTest, ExpandedChannelsAreRoundedOnRequest) {
  const auto expanded = [](const std::string& fields) {
    const Space space = with_candidate("block { " + fields + " depthwise { kernel: 3 } }");
    return block_fragment(space, 0, 0, Precision::kFp32).parameters.at("expand_w").shape[0];
  };
  EXPECT_EQ(expanded("expand: 2.6 expand_multiple: 8"), 24);
  EXPECT_EQ(expanded("expand: 1.4 expand_multiple: 8"), 16);  // 8 is below nine tenths of 11.2
}

TEST(BlocksTest, HeadsWithAHiddenLayer) {
  const std::string block = "candidate { name: \"c\" conv { kernel: 1 } } stage { name: \"a\" channels: 8 }";
  const auto tail = [&](const std::string& head) {
    std::vector<std::string> names;
    for (const net::Operator& op :
         lower(space_of(block + " head { channels: 32 classes: 10 " + head + " }"), {0}, Precision::kFp32)
             .ops) {
      names.push_back(op.type);
    }
    return std::vector<std::string>(names.end() - 5, names.end());
  };
  EXPECT_THAT(tail("hidden { channels: 64 activation: HARD_SWISH }"),
              ElementsAre("AveragePool", "Conv", "HardSwish", "FC", "Softmax"));
  EXPECT_THAT(tail("hidden { channels: 64 form: FC }"),
              ElementsAre("AveragePool", "FC", "Relu", "FC", "Softmax"));
  EXPECT_THAT(tail("softmax: false activation: SWISH"),
              ElementsAre("Relu", "Conv", "Swish", "AveragePool", "FC"));
}

TEST(BlocksTest, AHiddenLayerOfFormFcHasABias) {
  LATGRAD_EXPECT_ERROR(
      space_of("candidate { name: \"c\" conv { kernel: 1 } } stage { name: \"a\" channels: 8 } "
               "head { classes: 5 hidden { channels: 4 form: FC bias: false } }"),
      ValueError, HasSubstr("form FC must have a bias"));
}

constexpr const char* kTokens = R"(
  name: "v"
  input { height: 32 width: 32 batch: 2 }
  stem { channels: 12 kernel: 8 stride: 8 pad: 0 activation: NONE batch_norm: false }
  candidate { name: "t" transformer { heads: 3 mlp_ratio: 2 } }
  candidate { name: "skip" skip { } }
  stage { name: "a" channels: 12 layers: 2 }
  head { classes: 10 }
)";

TEST(BlocksTest, Transformers) {
  const Space space = Space::parse(std::string(kTokens) + "sequence { class_token: true }", "v.textproto");
  EXPECT_EQ(space.layers()[0].tokens, 17);
  const net::Net net = lower(space, {0, 1}, Precision::kFp32);
  const net::NetShapes shapes = net::infer_shapes(net);
  EXPECT_EQ(shapes.blobs.at("tokens_with_class").shape, net::Shape({2, 17, 12}));
  EXPECT_EQ(shapes.blobs.at("layer01_t_attention").shape, net::Shape({2, 3, 17, 17}));
  EXPECT_EQ(shapes.blobs.at("layer01_t_sum").shape, net::Shape({2, 17, 12}));
  EXPECT_EQ(shapes.blobs.at("logits").shape, net::Shape({2, 10}));
  const int64_t block = 2 * (17 * 12 * 36 + 2 * 3 * 17 * 17 * 4 + 17 * 12 * 12 + 2 * 17 * 12 * 24);
  EXPECT_EQ(block_macs(space), block);
  EXPECT_EQ(*net::count_macs(shapes).total(), block + 2 * (16 * 12 * 3 * 64 + 12 * 10));
  LATGRAD_EXPECT_ERROR(lower(space, {0, 0}, Precision::kInt8), ValueError,
                       HasSubstr("take precision fp32"));
}

TEST(BlocksTest, TokensWithoutAClassTokenAreAveraged) {
  const Space space = Space::parse(std::string(kTokens) + "sequence { positions: false }", "v.textproto");
  EXPECT_EQ(space.layers()[0].tokens, 16);
  const net::NetShapes shapes = net::infer_shapes(lower(space, {1, 1}, Precision::kFp32));
  EXPECT_EQ(shapes.blobs.at("pool").shape, net::Shape({2, 12}));
  EXPECT_EQ(shapes.blobs.at("logits").shape, net::Shape({2, 10}));
  EXPECT_FALSE(shapes.blobs.contains("positions"));
}

TEST(BlocksTest, AttentionMayBeWiderThanItsTokens) {
  std::string text = std::string(kTokens) + "sequence { }";
  text.replace(text.find("heads: 3"), 8, "heads: 5 head_channels: 4 qkv_bias: false");
  const Space space = Space::parse(text, "v.textproto");
  const Fragment fragment = block_fragment(space, 0, 0, Precision::kFp32);
  EXPECT_EQ(fragment.parameters.at("qkv_w").shape, net::Shape({12, 60}));
  EXPECT_EQ(fragment.parameters.at("proj_w").shape, net::Shape({20, 12}));
  EXPECT_FALSE(fragment.parameters.contains("qkv_b"));
}

// Two convolutions of 1x3 and 3x1 beside each other, joined.
constexpr const char* kBranches = R"(
  operators {
    parameter { name: "a_w" shape: ["out_channels / 2", "in_channels", "1", "3"] }
    parameter { name: "b_w" shape: ["out_channels - out_channels / 2", "in_channels", "3", "1"] }
    op { type: "Conv" input: ["in", "a_w"] output: "a" arg { name: "kernel_h" value: "1" }
         arg { name: "kernel_w" value: "3" } arg { name: "pads" values: ["0", "1", "0", "1"] }
         arg { name: "stride" value: "stride" } }
    op { type: "Conv" input: ["in", "b_w"] output: "b" arg { name: "kernel_h" value: "3" }
         arg { name: "kernel_w" value: "1" } arg { name: "pads" values: ["1", "0", "1", "0"] }
         arg { name: "stride" value: "stride" } batch_norm: false }
    op { type: "Concat" input: ["a", "b"] output: "joined" arg { name: "axis" value: "1" } }
    op { type: "Relu" input: "joined" output: "out" }
  })";

TEST(BlocksTest, OperatorsWrittenOut) {
  const Space space = with_candidate(kBranches, "channels: 9 layers: 2 stride: 2");
  EXPECT_EQ(block_macs(space), (4 * 8 * 3 + 5 * 8 * 3) * 64);
  EXPECT_EQ(block_macs(space, Precision::kFp32, 1), (4 * 9 * 3 + 5 * 9 * 3) * 64);
  EXPECT_THAT(types(space), ElementsAre("Conv", "Conv", "Concat", "Relu"));
  EXPECT_THAT(block_fragment(space, 0, 0, Precision::kFp32).without_norm, ElementsAre("b"));
  EXPECT_EQ(Space::parse(space.text(), "copy").text(), space.text());
}

TEST(BlocksTest, WrittenOperatorsThatDoNotFitAreRefused) {
  const auto refused = [](const std::string& operators, const std::string& message) {
    LATGRAD_EXPECT_ERROR(with_candidate("operators { " + operators + " }"), ValueError, HasSubstr(message));
  };
  refused("op { type: \"Nothing\" input: \"in\" output: \"y\" }", "of a type that is known, got \"Nothing\"");
  refused("op { type: \"Relu\" output: \"y\" }", "Relu must have an input and an output");
  refused("op { type: \"Relu\" input: \"z\" output: \"y\" }", "what an earlier one writes, got \"z\"");
  refused("op { type: \"Relu\" input: \"in\" output: \"in\" }", "a blob of its own, got \"in\" twice");
  refused("op { type: \"Relu\" input: \"in\" output: \"a.b\" }", "letters, digits and _, got \"a.b\"");
  refused("op { type: \"MaxPool\" input: \"in\" output: \"y\" arg { name: \"kernel\" value: \"2\" } }",
          "what the next layer reads, [1, 8, 16, 16], got [1, 8, 15, 15]");
  refused("op { type: \"Relu\" input: \"in\" output: \"y\" arg { name: \"n\" value: \"tokens\" } }",
          "got \"tokens\"");
  const std::string relu = "op { type: \"Relu\" input: \"in\" output: \"y\" } ";
  refused("parameter { name: \"w\" shape: \"1\" } " + relu, "read each parameter, got \"w\" unread");
  refused(
      relu +
          "op { type: \"Conv\" input: [\"in\", \"y\"] output: \"z\" arg { name: \"kernel\" value: \"1\" } }",
      "input 1 of Conv must be a parameter, got \"y\"");
  refused("op { type: \"Relu\" input: \"in\" output: \"y\" arg { name: \"n\" value: \"1\" f: 2 } }",
          "one of value, values, f, s and floats, got 2 of them for \"n\"");
  refused("op { type: \"Relu\" input: \"in\" output: \"y\" arg { name: \"n\" } }", "got 0 of them");
  refused("parameter { name: \"w\" shape: \"stride - 1\" }", "at least 1, got [0] for w");
  refused("parameter { name: \"w\" shape: \"1\" } parameter { name: \"w\" shape: \"1\" }", "got \"w\" twice");
  refused(
      "parameter { name: \"w_w\" shape: [\"8\", \"3\", \"1\", \"1\"] } "
      "op { type: \"Conv\" input: [\"in\", \"w_w\"] output: \"y\" arg { name: \"kernel\" value: \"1\" } }",
      "candidate c in layer 1");
}

TEST(BlocksTest, WrittenOperatorsInInt8) {
  const std::string clip =
      "operators { parameter { name: \"a_w\" shape: [\"8\", \"8\", \"1\", \"1\"] } "
      "op { type: \"Conv\" input: [\"in\", \"a_w\"] output: \"a\" arg { name: \"kernel\" value: \"1\" } } "
      "op { type: \"Clip\" input: \"a\" output: \"b\" arg { name: \"min\" f: MIN } arg { name: \"max\" f: 6 "
      "} } }";
  const auto with_min = [&](const std::string& min) {
    std::string text = clip;
    return with_candidate(text.replace(text.find("MIN"), 3, min));
  };
  EXPECT_THAT(types(with_min("0"), Precision::kInt8), ElementsAre("Int8ConvRelu"));
  LATGRAD_EXPECT_ERROR(types(with_min("-1"), Precision::kInt8), ValueError,
                       HasSubstr("no operator Int8Clip"));
  const Space joined = with_candidate(
      "operators { op { type: \"Concat\" input: [\"in\", \"in\"] output: \"a\" arg { name: \"axis\" value: "
      "\"1\" } } "
      "op { type: \"Slice\" input: \"a\" output: \"b\" arg { name: \"starts\" values: [\"0\", \"0\", \"0\", "
      "\"0\"] } "
      "arg { name: \"ends\" values: [\"-1\", \"8\", \"-1\", \"-1\"] } } }");
  EXPECT_THAT(types(joined), ElementsAre("Concat", "Slice"));
  LATGRAD_EXPECT_ERROR(types(joined, Precision::kInt8), ValueError,
                       HasSubstr("Int8Concat counts dimensions, and int8 networks have their channels last"));
}

TEST(BlocksTest, AParameterThatIsReadFirstIsNoClassToken) {
  const Space space = Space::parse(R"(
    name: "s" input { height: 8 width: 8 batch: 2 } stage { name: "a" channels: 3 } head { classes: 2 }
    candidate { name: "c" operators {
      parameter { name: "p_w" shape: ["in_channels", "1", "1"] }
      op { type: "Add" input: ["p_w", "in"] output: "y" } } })",
                                   "s.textproto");
  EXPECT_THAT(types(space), ElementsAre("Add"));
}

TEST(BlocksTest, TheWorkThatASpaceAsksForIsBounded) {
  std::string operators;
  for (int i = 0; i < 500; ++i) {
    operators += "op { type: \"Relu\" input: \"in\" output: \"o" + std::to_string(i) + "\" } ";
  }
  LATGRAD_EXPECT_ERROR(
      with_candidate("operators { " + operators + " }", "channels: 8 layers: 4096"), ValueError,
      HasSubstr("operators, their blobs and arguments of all candidates together must be from 0 to 2097152"));
}

TEST(BlocksTest, CandidatesThatDoNotFitAreRefused) {
  const auto refused = [](const std::string& candidate, const std::string& message) {
    LATGRAD_EXPECT_ERROR(with_candidate(candidate), ValueError, HasSubstr(message));
  };
  refused("", "a block, skip, conv, pool, transformer or operators, got none");
  refused("block { expand: 2 conv { kernel: 3 } depthwise { kernel: 3 } }", "conv or depthwise, got both");
  refused("block { expand: 2 conv { kernel: 3 residual: true } }", "must not have a residual");
  refused("block { expand: 2 depthwise { kernel: 3 kernel_h: 3 } }", "kernel, or kernel_h and kernel_w");
  refused("block { expand: 2 depthwise { kernel_h: 3 kernel_w: 4 } }", "must be odd, got 4");
  refused("block { expand: 2 depthwise { kernel: 3 } squeeze_excite { reduction: 0 } }", "reduction must be");
  refused("block { expand: 2 depthwise { kernel: 3 } squeeze_excite { channels: 0 } }", "channels must be");
  refused("block { expand: 2 depthwise { kernel: 3 } squeeze_excite { channels: 4 reduction: 4 } }",
          "got both");
  refused("conv { kernel: 3 groups: 3 }", "groups must divide the channels, got 3 groups of 8 channels");
  refused("pool { kernel: 2 }", "pool kernel must be odd, got 2");
  refused("transformer { heads: 2 }", "a transformer reads tokens");
  const auto tokens = [](const std::string& from, const std::string& to) {
    std::string text = std::string(kTokens) + "sequence { }";
    text.replace(text.find(from), from.size(), to);
    return Space::parse(text, "v.textproto");
  };
  LATGRAD_EXPECT_ERROR(tokens("heads: 3", "heads: 5"), ValueError,
                       HasSubstr("heads must divide the channels"));
  LATGRAD_EXPECT_ERROR(tokens("mlp_ratio: 2", "mlp_ratio: 2 mlp_channels: 7"), ValueError,
                       HasSubstr("got both"));
  LATGRAD_EXPECT_ERROR(tokens("mlp_ratio: 2", "mlp_ratio: -2"), ValueError, HasSubstr("mlp_ratio must give"));
  LATGRAD_EXPECT_ERROR(tokens("layers: 2", "layers: 2 stride: 2"), ValueError, HasSubstr("stride must be"));
  LATGRAD_EXPECT_ERROR(tokens("skip { }", "conv { kernel: 1 }"), ValueError, HasSubstr("read tokens"));
}

}  // namespace
}  // namespace latgrad::search
