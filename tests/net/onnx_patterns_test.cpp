// Several nodes of ONNX that are one operator of the vocabulary.

#include <gmock/gmock.h>

#include "onnx_model.h"

namespace latgrad::net::test {
namespace {

// Channels as groups, exchanged by `axes`, and as channels again.
std::string shuffle(const std::vector<int64_t>& groups, const std::vector<int64_t>& axes,
                    const std::vector<int64_t>& channels = {2, 6, 4, 5}) {
  return input("x", {2, 6, 4, 5}) + int64s("groups", groups) + int64s("channels", channels) +
         node("Reshape", {"x", "groups"}, {"g"}) + node("Transpose", {"g"}, {"t"}, attribute("perm", axes)) +
         node("Reshape", {"t", "channels"}, {"y"}) + output("y");
}

TEST(OnnxPatternsTest, GroupsOfChannelsThatAreExchangedAreAShuffle) {
  const Net net = read(model(shuffle({2, 3, 2, 4, 5}, {0, 2, 1, 3, 4})));
  ASSERT_EQ(types_of(net), "ChannelShuffle");
  EXPECT_EQ(net.ops[0].find_arg("group")->i, 3);
  EXPECT_EQ(net.ops[0].inputs, std::vector<std::string>{"x"});
  EXPECT_EQ(infer_shapes(net).blobs.at("y").shape, Shape({2, 6, 4, 5}));
  // What lies between still has its shape.
  EXPECT_EQ(net.constants.at("g").shape, Shape({2, 3, 2, 4, 5}));
  EXPECT_EQ(net.constants.at("t").shape, Shape({2, 2, 3, 4, 5}));
  // Pixels in one row are the same pixels.
  EXPECT_EQ(types_of(shuffle({2, 3, 2, 20}, {0, 2, 1, 3})), "ChannelShuffle");
}

TEST(OnnxPatternsTest, WhatIsNoShuffleStays) {
  const std::string as_it_is = "Reshape, Transpose, Reshape";
  EXPECT_EQ(types_of(shuffle({2, 3, 2, 4, 5}, {0, 1, 2, 4, 3})), as_it_is);
  EXPECT_EQ(types_of(shuffle({3, 2, 2, 4, 5}, {0, 2, 1, 3, 4})), as_it_is);
  EXPECT_EQ(types_of(shuffle({2, 6, 2, 2, 5}, {0, 2, 1, 3, 4})), as_it_is);
  EXPECT_EQ(types_of(shuffle({2, 3, 2, 4, 5}, {0, 2, 1, 3, 4}, {2, 6, 20})), as_it_is);
  const std::string read_twice = shuffle({2, 3, 2, 4, 5}, {0, 2, 1, 3, 4});
  EXPECT_EQ(types_of(read_twice + node("Relu", {"t"}, {"z"}) + output("z")), as_it_is + ", Relu");
  EXPECT_EQ(types_of(read_twice + output("t")), as_it_is);
}

const std::string kLayer = weight("w", {7, 120}) + weight("b", {7}) + input("x", {2, 6, 4, 5}) + output("y");

TEST(OnnxPatternsTest, ALayerFlattensItself) {
  const std::string gemm = node("Gemm", {"f", "w", "b"}, {"y"}, attribute("transB", 1));
  const Net net = read(model(kLayer + node("Flatten", {"x"}, {"f"}) + gemm));
  ASSERT_EQ(types_of(net), "FC");
  EXPECT_EQ(net.ops[0].inputs[0], "x");
  EXPECT_EQ(infer_shapes(net).ops[0].inputs[0].shape, Shape({2, 6, 4, 5}));
  EXPECT_EQ(net.constants.at("f").shape, Shape({2, 120}));
  EXPECT_EQ(types_of(kLayer + int64s("s", {2, -1}) + node("Reshape", {"x", "s"}, {"f"}) + gemm), "FC");
  // Whoever else reads the rows still has them.
  EXPECT_EQ(
      types_of(kLayer + node("Flatten", {"x"}, {"f"}) + gemm + node("Relu", {"f"}, {"z"}) + output("z")),
      "Flatten, FC, Relu");
  // Other rows than the batch's.
  EXPECT_EQ(
      types_of(kLayer + int64s("s", {1, 240}) + weight("w2", {7, 240}) + node("Reshape", {"x", "s"}, {"f"}) +
               node("Gemm", {"f", "w2", "b"}, {"y"}, attribute("transB", 1))),
      "Reshape, FC");
}

// What an exporter made of a module: its parameters are inputs.
TEST(OnnxPatternsTest, NormalisationsOfATracedModuleBelongToItsConvolutions) {
  const std::string graph =
      input("x", {1, 3, 8, 8}) + input("w", {4, 3, 3, 3}) + input("s", {4}) + input("t", {4}) +
      input("m", {4}) + input("v", {4}) + node("Conv", {"x", "w"}, {"c"}) +
      node("BatchNormalization", {"c", "s", "t", "m", "v"}, {"n"}) + node("Relu", {"n"}, {"y"}) + output("y");
  const OnnxTrace trace{.data_inputs = {"x"}, .merges_norms = true};
  const auto [net, shapes] = read_onnx(model(graph), "model.onnx", {}, trace);
  ASSERT_EQ(types_of(net), "Conv, Relu");
  EXPECT_EQ(net.ops[0].inputs, (std::vector<std::string>{"x", "w", "t"}));
  EXPECT_EQ(shapes.ops[0].inputs[2].shape, Shape{4});
  EXPECT_EQ(net.parameters.size(), 2U);
  EXPECT_EQ(net.inputs.size(), 1U);
  EXPECT_EQ(net.constants.at("c").shape, Shape({1, 4, 6, 6}));
  EXPECT_TRUE(unread_parameters(net).empty());
  // A model that was exported keeps what its exporter kept, and so does a value that others read.
  EXPECT_EQ(types_of(read_onnx(model(graph), "model.onnx", {}, {.data_inputs = trace.data_inputs}).net),
            "Conv, SpatialBN, Relu");
  EXPECT_EQ(types_of(read_onnx(model(graph + output("c")), "model.onnx", {}, trace).net),
            "Conv, SpatialBN, Relu");
}

TEST(OnnxPatternsTest, ShapesComeWithTheMergedNetwork) {
  const std::string bytes =
      model(kLayer + node("Flatten", {"x"}, {"f"}) +
            node("Gemm", {"f", "w", "b"}, {"g"}, attribute("transB", 1)) + node("Relu", {"g"}, {"y"}));
  const auto [net, shapes] = read_onnx(bytes, "model.onnx");
  const NetShapes inferred = infer_shapes(net);
  ASSERT_EQ(shapes.ops.size(), inferred.ops.size());
  for (size_t i = 0; i < shapes.ops.size(); ++i) {
    EXPECT_EQ(shapes.ops[i].inputs, inferred.ops[i].inputs);
    EXPECT_EQ(shapes.ops[i].outputs, inferred.ops[i].outputs);
  }
}

}  // namespace
}  // namespace latgrad::net::test
