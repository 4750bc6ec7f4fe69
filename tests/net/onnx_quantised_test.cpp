// Quantised ONNX models: QDQ and QLinear* as the Int8 operators of Caffe2.

#include <gmock/gmock.h>

#include <filesystem>

#include "latgrad/base/error.h"
#include "latgrad/net/memory.h"
#include "latgrad/net/read_net.h"
#include "onnx_model.h"
#include "shared_data.h"

namespace latgrad::net::test {
namespace {

using testing::ElementsAre;

std::string tensor(const std::string& name, int type, const Shape& shape, const std::string& data) {
  return "initializer { name: \"" + name + "\" data_type: " + std::to_string(type) + dims(shape) + " " +
         data + " }";
}
constexpr int kFloatType = 1;
constexpr int kUint8Type = 2;
constexpr int kInt8Type = 3;
constexpr int kInt32Type = 6;

std::string external(const std::string& name, int type, const Shape& shape) {
  return tensor(name, type, shape,
                "data_location: 1 external_data { key: \"location\" value: \"weights.bin\" }");
}

// A scale of 0.1 and a zero point of 0, another one of 10, and one of -128 for signed tensors.
const std::string kScales =
    tensor("s", kFloatType, {}, "float_data: 0.1") + tensor("z", kUint8Type, {}, "int32_data: 0") +
    tensor("z10", kUint8Type, {}, "int32_data: 10") + tensor("zs", kInt8Type, {}, "int32_data: -128");

std::string quantise(const std::string& from, const std::string& to, const std::string& zero_point = "z") {
  return node("QuantizeLinear", {from, "s", zero_point}, {to});
}
std::string dequantise(const std::string& from, const std::string& to, const std::string& zero_point = "z") {
  return node("DequantizeLinear", {from, "s", zero_point}, {to});
}

// A weight and a bias of a convolution or layer, quantised for each channel.
std::string weights(const Shape& shape, const Shape& bias) {
  return external("w8", kInt8Type, shape) + external("b32", kInt32Type, bias) +
         external("ws", kFloatType, {shape[0]}) + node("DequantizeLinear", {"w8", "ws"}, {"w"}) +
         node("DequantizeLinear", {"b32", "ws"}, {"b"});
}

const std::string kImage = kScales + input("x", {1, 6, 9, 8});
const std::string kBegin = kImage + quantise("x", "xq") + dequantise("xq", "xd");
const std::string kConv = weights({4, 6, 3, 3}, {4}) + node("Conv", {"xd", "w", "b"}, {"c"});

TEST(OnnxQuantisedTest, AConvolutionBetweenDequantiseAndQuantiseIsInt8) {
  const std::string bytes =
      model(kBegin + kConv + quantise("c", "cq", "z10") + dequantise("cq", "y") + output("y"));
  const auto [net, shapes] = read_onnx(bytes, "model.onnx");
  ASSERT_EQ(types_of(net), "NCHW2NHWC, Int8Quantize, Int8Conv, Int8Dequantize, NHWC2NCHW");
  const Operator& conv = net.ops[2];
  EXPECT_THAT(conv.inputs, ElementsAre("xq_nhwc", "w8_nhwc", "b32"));
  EXPECT_THAT(conv.outputs, ElementsAre("cq_nhwc"));
  EXPECT_EQ(conv.find_arg("Y_zero_point")->i, 10);
  EXPECT_FLOAT_EQ(conv.find_arg("Y_scale")->f.value(), 0.1F);
  // What QNNPACK's table has: [6, 6, 2].
  EXPECT_EQ(shapes.ops[2].inputs, (std::vector<TensorInfo>{{{1, 9, 8, 6}, DataType::kUint8},
                                                           {{4, 3, 3, 6}, DataType::kUint8},
                                                           {{4}, DataType::kInt32}}));
  EXPECT_EQ(shapes.ops[2].macs, 4 * 7 * 6 * 54);
  EXPECT_EQ(shapes.ops[4].outputs[0].shape, Shape({1, 4, 7, 6}));
  // Values of the model keep their shapes, written or not.
  for (const auto& [value, shape] : std::map<std::string, Shape>{{"xq", {1, 6, 9, 8}},
                                                                 {"xd", {1, 6, 9, 8}},
                                                                 {"c", {1, 4, 7, 6}},
                                                                 {"cq", {1, 4, 7, 6}},
                                                                 {"w", {4, 6, 3, 3}}}) {
    EXPECT_EQ(net.constants.at(value).shape, shape) << value;
  }
  // The weights in float are no parameters any more.
  EXPECT_FALSE(net.parameters.contains("w") || net.parameters.contains("w8") || net.parameters.contains("b"));
  EXPECT_EQ(count_parameters(net, shapes).weights, 4 * 54);
}

TEST(OnnxQuantisedTest, TheActivationBelongsToTheOperator) {
  const auto with = [&](const std::string& between, const std::string& zero_point) {
    return types_of(kBegin + kConv + between + quantise("r", "y", zero_point) + output("y"));
  };
  const std::string clip = tensor("zero", kFloatType, {}, "float_data: 0") +
                           tensor("six", kFloatType, {}, "float_data: 6") +
                           tensor("all", kFloatType, {}, "float_data: 25.5");
  const std::string begin = "NCHW2NHWC, Int8Quantize, ";
  const std::string end = ", Int8Transpose";  // the output is read as it is
  EXPECT_EQ(with(node("Relu", {"c"}, {"r"}), "z"), begin + "Int8ConvRelu" + end);
  EXPECT_EQ(with(node("Relu", {"c"}, {"r"}), "z10"), begin + "Int8ConvRelu" + end);
  EXPECT_EQ(with(clip + node("Clip", {"c", "zero", "all"}, {"r"}), "z"), begin + "Int8ConvRelu" + end);
  // 0 to 6 is less than 0 to 25.5: the operator stays by itself.
  EXPECT_EQ(with(clip + node("Clip", {"c", "zero", "six"}, {"r"}), "z"),
            "Int8Quantize, Int8Dequantize, Conv, Clip, Int8Quantize");
}

TEST(OnnxQuantisedTest, WhatOthersReadToo) {
  // In float as well: the convolution is a float one.
  EXPECT_EQ(
      types_of(kBegin + kConv + quantise("c", "y") + node("Relu", {"c"}, {"r"}) + output("y") + output("r")),
      "Int8Quantize, Int8Dequantize, Conv, Int8Quantize, Relu");
  // Of a weight that is not quantised.
  EXPECT_EQ(types_of(kBegin + weight("w", {4, 6, 3, 3}) + node("Conv", {"xd", "w"}, {"c"}) +
                     quantise("c", "y") + output("y")),
            "Int8Quantize, Int8Dequantize, Conv, Int8Quantize");
}

std::string fused(const std::string& nodes, const std::string& more = "") {
  // Between two convolutions, so that the layout is that of images.
  const std::string before = kBegin + weights({6, 6, 1, 1}, {6}) + node("Conv", {"xd", "w", "b"}, {"c"}) +
                             quantise("c", "aq") + dequantise("aq", "a");
  return types_of(before + more + nodes + quantise("r", "rq") + dequantise("rq", "y") + output("y"));
}

TEST(OnnxQuantisedTest, EachTypeHasItsInt8Operator) {
  const std::string begin = "NCHW2NHWC, Int8Quantize, Int8Conv, ";
  const std::string end = ", Int8Dequantize, NHWC2NCHW";
  for (const auto& [nodes, type] : std::map<std::string, std::string>{
           {node("Add", {"a", "xd"}, {"r"}), "Int8Add"},
           {node("Sum", {"a", "xd"}, {"r"}), "Int8Sum"},
           {node("Mul", {"a", "xd"}, {"r"}), "Int8Mul"},
           {node("Concat", {"a", "xd"}, {"r"}, attribute("axis", 1)), "Int8Concat"},
           {node("AveragePool", {"a"}, {"r"}, attribute("kernel_shape", {2, 2})), "Int8AveragePool"},
           {node("GlobalAveragePool", {"a"}, {"r"}), "Int8AveragePool"},
           {node("MaxPool", {"a"}, {"r"}, attribute("kernel_shape", {2, 2})), "Int8MaxPool"},
           {node("Relu", {"a"}, {"r"}), "Int8Relu"},
           {node("LeakyRelu", {"a"}, {"r"}), "Int8LeakyRelu"},
           {node("Sigmoid", {"a"}, {"r"}), "Int8Sigmoid"},
           {node("Tanh", {"a"}, {"r"}), "Int8Tanh"},
           {int64s("sizes", {1, 6, 18, 16}) + node("Resize", {"a", "", "", "sizes"}, {"r"}),
            "Int8ResizeNearest"},
       }) {
    EXPECT_EQ(fused(nodes), begin + type + end);
  }
  // There is none: in float.
  EXPECT_EQ(fused(node("HardSwish", {"a"}, {"r"})),
            begin + "Int8Dequantize, NHWC2NCHW, HardSwish, Int8Quantize, Int8Dequantize");
  EXPECT_EQ(fused(node("Softmax", {"a"}, {"r"})),
            begin + "Int8Dequantize, NHWC2NCHW, Softmax, Int8Quantize, Int8Dequantize");
}

TEST(OnnxQuantisedTest, AxesAreThoseOfTheLayout) {
  const std::string before = kBegin + weights({6, 6, 1, 1}, {6}) + node("Conv", {"xd", "w", "b"}, {"c"}) +
                             quantise("c", "aq") + dequantise("aq", "a");
  const Net concat = read(model(before + node("Concat", {"a", "xd"}, {"r"}, attribute("axis", 2)) +
                                quantise("r", "rq") + dequantise("rq", "y") + output("y")));
  EXPECT_EQ(concat.ops[3].find_arg("axis")->i, 1);
  EXPECT_EQ(infer_shapes(concat).blobs.at("y").shape, Shape({1, 6, 18, 8}));
  const Net slice = read(model(before + int64s("starts", {2}) + int64s("ends", {4}) + int64s("axes", {1}) +
                               node("Slice", {"a", "starts", "ends", "axes"}, {"r"}) + quantise("r", "rq") +
                               dequantise("rq", "y") + output("y")));
  EXPECT_EQ(slice.ops[3].type, "Int8Slice");
  EXPECT_EQ(infer_shapes(slice).blobs.at("y").shape, Shape({1, 2, 9, 8}));
  const Net split =
      read(model(before + int64s("lengths", {2, 4}) +
                 node("Split", {"a", "lengths"}, {"y1", "y2"}, attribute("axis", 1)) + quantise("y1", "q1") +
                 quantise("y2", "q2") + dequantise("q2", "y") + output("y")));
  EXPECT_EQ(split.ops[3].type, "Split");
  EXPECT_EQ(split.ops[3].find_arg("axis")->i, 3);
  EXPECT_EQ(infer_shapes(split).blobs.at("y").shape, Shape({1, 4, 9, 8}));
}

// Rows between the image and the layer, quantised again or not.
TEST(OnnxQuantisedTest, LayersFlattenThemselves) {
  const std::string image =
      kBegin + weights({6, 6, 1, 1}, {6}) + node("Conv", {"xd", "w", "b"}, {"c"}) + quantise("c", "aq");
  const std::string a = dequantise("aq", "a");
  const std::string layer = external("v8", kInt8Type, {5, 432}) + external("d32", kInt32Type, {5}) +
                            node("DequantizeLinear", {"v8", "s"}, {"v"}) +
                            node("DequantizeLinear", {"d32", "s"}, {"d"}) +
                            node("Gemm", {"rows", "v", "d"}, {"g"}, attribute("transB", 1)) +
                            quantise("g", "gq") + dequantise("gq", "y") + output("y");
  const std::string expected = "NCHW2NHWC, Int8Quantize, Int8Conv, Int8FC, Int8Dequantize";
  EXPECT_EQ(types_of(image + a + node("Flatten", {"a"}, {"rows"}) + layer), expected);
  EXPECT_EQ(types_of(image + a + node("Flatten", {"a"}, {"f"}) + quantise("f", "fq") +
                     dequantise("fq", "rows") + layer),
            expected);
  EXPECT_EQ(types_of(image + node("Flatten", {"aq"}, {"fq"}) + dequantise("fq", "rows") + layer), expected);
  const Net net = read(model(image + a + node("Flatten", {"a"}, {"rows"}) + layer));
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(shapes.ops[3].inputs,
            (std::vector<TensorInfo>{
                {{1, 9, 8, 6}, DataType::kUint8}, {{5, 432}, DataType::kUint8}, {{5}, DataType::kInt32}}));
  EXPECT_EQ(net.constants.at("rows").shape, Shape({1, 432}));
}

TEST(OnnxQuantisedTest, LayersWithoutBiasOrWithTheOtherWeightAreInt8Too) {
  const std::string begin = kScales + input("x", {2, 10}) + quantise("x", "xq") + dequantise("xq", "xd") +
                            external("w8", kInt8Type, {10, 5}) + node("DequantizeLinear", {"w8", "s"}, {"w"});
  const std::string end = quantise("g", "gq") + dequantise("gq", "y") + output("y");
  const std::string expected = "Int8Quantize, Int8FC, Int8Dequantize";
  for (const std::string& nodes :
       {node("MatMul", {"xd", "w"}, {"g"}), external("b32", kInt32Type, {5}) +
                                                node("DequantizeLinear", {"b32", "s"}, {"b"}) +
                                                node("Gemm", {"xd", "w", "b"}, {"g"})}) {
    const Net net = read(model(begin + nodes + end));
    ASSERT_EQ(types_of(net), expected);
    EXPECT_EQ(infer_shapes(net).ops[1].inputs[1].shape, Shape({5, 10}));
    EXPECT_EQ(infer_shapes(net).ops[1].inputs[2], (TensorInfo{{5}, DataType::kInt32}));
  }
}

TEST(OnnxQuantisedTest, ShufflesOfChannelsAreFound) {
  const auto shuffle = [&](bool quantises_between) {
    const auto again = [&](const std::string& name) {
      return quantises_between ? quantise(name, name + "q") + dequantise(name + "q", name + "d")
                               : std::string();
    };
    const std::string d = quantises_between ? "d" : "";
    return fused(int64s("groups", {1, 2, 3, 9, 8}) + int64s("image", {1, 6, 9, 8}) +
                 node("Reshape", {"a", "groups"}, {"g"}) + again("g") +
                 node("Transpose", {"g" + d}, {"t"}, attribute("perm", {0, 2, 1, 3, 4})) + again("t") +
                 node("Reshape", {"t" + d, "image"}, {"r"}));
  };
  const std::string expected =
      "NCHW2NHWC, Int8Quantize, Int8Conv, Int8ChannelShuffle, Int8Dequantize, NHWC2NCHW";
  EXPECT_EQ(shuffle(true), expected);
  EXPECT_EQ(shuffle(false), expected);
}

// Four dimensions do not make an image: matrices of attention keep their order.
TEST(OnnxQuantisedTest, OnlyImagesChangeTheirLayout) {
  EXPECT_EQ(types_of(kBegin + node("Add", {"xd", "xd"}, {"r"}) + quantise("r", "rq") + dequantise("rq", "y") +
                     output("y")),
            "Int8Quantize, Int8Add, Int8Dequantize");
  // What counts on the order reads it.
  EXPECT_EQ(fused(int64s("shape", {1, 6, 72}) + node("Reshape", {"a", "shape"}, {"r"})),
            "NCHW2NHWC, Int8Quantize, Int8Conv, Int8Transpose, Int8Reshape, Int8Dequantize");
  EXPECT_EQ(fused(node("Transpose", {"a"}, {"r"}, attribute("perm", {0, 2, 3, 1}))),
            "NCHW2NHWC, Int8Quantize, Int8Conv, Int8Transpose, Int8Transpose, Int8Dequantize");
  // Of one pixel the order of the elements is the same.
  EXPECT_EQ(fused(node("GlobalAveragePool", {"a"}, {"p"}) + quantise("p", "pq") + dequantise("pq", "pd") +
                  int64s("shape", {1, 6}) + node("Reshape", {"pd", "shape"}, {"r"})),
            "NCHW2NHWC, Int8Quantize, Int8Conv, Int8AveragePool, Int8Reshape, Int8Dequantize");
}

TEST(OnnxQuantisedTest, OperatorsOfQuantisedTensors) {
  const std::string image = kScales + input("x", {1, 6, 9, 8}) + quantise("x", "xq") +
                            external("w8", kInt8Type, {4, 6, 3, 3}) + external("b32", kInt32Type, {4}) +
                            external("ws", kFloatType, {4}) + external("wz", kInt8Type, {4}) +
                            node("QLinearConv", {"xq", "s", "z", "w8", "ws", "wz", "s", "z", "b32"}, {"cq"},
                                 attribute("pads", {1, 1, 1, 1}));
  const auto with = [&](const std::string& nodes) {
    return types_of(image + nodes + dequantise("q", "y") + output("y"));
  };
  const std::string runtime = "domain: \"com.microsoft\"";
  const std::string begin = "NCHW2NHWC, Int8Quantize, Int8Conv, ";
  const std::string end = ", Int8Dequantize, NHWC2NCHW";
  const std::vector<std::string> one = {"cq", "s", "z", "s", "z"};
  const std::vector<std::string> two = {"cq", "s", "z", "cq", "s", "z", "s", "z"};
  EXPECT_EQ(with(node("QLinearAdd", two, {"q"}, runtime)), begin + "Int8Add" + end);
  EXPECT_EQ(with(node("QLinearMul", two, {"q"}, runtime)), begin + "Int8Mul" + end);
  EXPECT_EQ(with(node("QLinearSigmoid", one, {"q"}, runtime)), begin + "Int8Sigmoid" + end);
  EXPECT_EQ(with(node("QLinearLeakyRelu", one, {"q"}, runtime)), begin + "Int8LeakyRelu" + end);
  EXPECT_EQ(with(node("QLinearGlobalAveragePool", one, {"q"}, runtime)), begin + "Int8AveragePool" + end);
  EXPECT_EQ(with(node("QLinearAveragePool", one, {"q"}, runtime + attribute("kernel_shape", {2, 2}))),
            begin + "Int8AveragePool" + end);
  EXPECT_EQ(with(node("QLinearConcat", {"s", "z", "cq", "s", "z", "cq", "s", "z"}, {"q"},
                      runtime + attribute("axis", 1))),
            begin + "Int8Concat" + end);
  EXPECT_EQ(with(node("MaxPool", {"cq"}, {"q"}, attribute("kernel_shape", {2, 2}))),
            begin + "Int8MaxPool" + end);
  const std::string rows = kScales + input("x", {2, 10}) + quantise("x", "xq") +
                           external("w8", kInt8Type, {5, 10}) + external("b32", kInt32Type, {5});
  EXPECT_EQ(
      types_of(rows +
               node("QGemm", {"xq", "s", "z", "w8", "s", "z", "b32", "s", "z"}, {"gq"},
                    runtime + attribute("transB", 1)) +
               node("QLinearSoftmax", {"gq", "s", "z", "s", "z"}, {"q"}, runtime + attribute("axis", 1)) +
               dequantise("q", "y") + output("y")),
      "Int8Quantize, Int8FC, Int8Softmax, Int8Dequantize");
  EXPECT_EQ(types_of(rows + node("QLinearMatMul", {"xq", "s", "z", "v8", "s", "z", "s", "z"}, {"gq"}) +
                     external("v8", kInt8Type, {10, 7}) + dequantise("gq", "y") + output("y")),
            "Int8Quantize, Int8FC, Int8Dequantize");
}

TEST(OnnxQuantisedTest, SignedTensorsAreShifted) {
  const Net net = read(model(kScales + input("x", {1, 6}) + quantise("x", "xq", "zs") +
                             dequantise("xq", "y", "zs") + output("y")));
  ASSERT_EQ(types_of(net), "Int8Quantize, Int8Dequantize");
  EXPECT_EQ(net.ops[0].find_arg("Y_zero_point")->i, 0);
  EXPECT_EQ(infer_shapes(net).blobs.at("xq").dtype, DataType::kUint8);
}

TEST(OnnxQuantisedTest, OtherPrecisionsAreNoOperatorsOfTheVocabulary) {
  EXPECT_EQ(
      types_of(kImage + tensor("z16", 4, {}, "int32_data: 0") + quantise("x", "y", "z16") + output("y")),
      "QuantizeLinear");
  EXPECT_EQ(types_of(kImage + tensor("ss", kFloatType, {6}, "") + node("QuantizeLinear", {"x", "ss"}, {"y"}) +
                     output("y")),
            "QuantizeLinear");
}

TEST(OnnxQuantisedTest, WeightsHaveTheirBytes) {
  const auto [net, shapes] = read_onnx(
      model(kBegin + kConv + quantise("c", "cq") + dequantise("cq", "y") + output("y")), "model.onnx");
  const MemoryUse use = memory_use(net, shapes);
  EXPECT_EQ(use.weight_bytes.at(DataType::kUint8), 4 * 54);
  EXPECT_EQ(use.weight_bytes.at(DataType::kInt32), 4 * 4);
}

TEST(OnnxQuantisedTest, OddZeroPointsAndNames) {
  // A zero point without elements.
  EXPECT_EQ(types_of(kImage + tensor("ze", kUint8Type, {0}, "") + quantise("x", "y", "ze") + output("y")),
            "QuantizeLinear");
  // A name that the model has for something else.
  const std::string begin =
      kScales + input("x", {2, 10}) + quantise("x", "xq") + dequantise("xq", "xd") +
      external("w8", kInt8Type, {10, 5}) + node("DequantizeLinear", {"w8", "s"}, {"w"}) +
      node("MatMul", {"xd", "w"}, {"g"}) + quantise("g", "gq") + dequantise("gq", "y") + output("y");
  const Net net = read(model(begin + input("w8_transposed", {9, 9})));
  EXPECT_EQ(types_of(net), "Int8Quantize, Int8FC, Int8Dequantize");
  EXPECT_EQ(infer_shapes(net).ops[1].inputs[1].shape, Shape({5, 10}));
  // A weight that is a result as well.
  const Net both =
      read(model(kBegin + kConv + quantise("c", "cq") + dequantise("cq", "y") + output("y") + output("w")));
  EXPECT_TRUE(both.parameters.contains("w"));
  EXPECT_NO_THROW(infer_shapes(both));
}

// Rules read shapes and arguments of what was merged.
TEST(OnnxQuantisedTest, EveryChangedByteIsAnErrorOrANetwork) {
  const std::string bytes =
      model(kBegin + kConv + node("Relu", {"c"}, {"r"}) + quantise("r", "cq") + dequantise("cq", "d") +
            node("Concat", {"d", "d"}, {"e"}, attribute("axis", 1)) + quantise("e", "eq") +
            dequantise("eq", "f") + node("Flatten", {"f"}, {"rows"}) + external("v8", kInt8Type, {5, 336}) +
            node("DequantizeLinear", {"v8", "s"}, {"v"}) + node("MatMul", {"rows", "v"}, {"g"}) +
            quantise("g", "gq") + dequantise("gq", "y") + output("y"));
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned char flip : {0x01, 0x08, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
      try {
        const auto [net, shapes] = read_onnx(changed, "model.onnx");
        memory_use(net, shapes);
      } catch (const Error&) {
      }
    }
  }
}

// Written by latgrad and read again, operator by operator.
TEST(OnnxQuantisedTest, PublishedNetworksAreReadBack) {
  LATGRAD_NEED_SHARED("zoo");
  size_t networks = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shared_data("zoo"))) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path());
    const Net net = read_net(entry.path() / "int8");
    const NetShapes shapes = infer_shapes(net);
    const auto [again, again_shapes] =
        read_onnx(onnx_bytes(net, {.weights = OnnxWeights::kLeftOut}), "written.onnx");
    ASSERT_EQ(types_of(again), types_of(net));
    for (size_t i = 0; i < net.ops.size(); ++i) {
      EXPECT_EQ(again_shapes.ops[i].inputs, shapes.ops[i].inputs) << i;
      EXPECT_EQ(again_shapes.ops[i].macs, shapes.ops[i].macs) << i;
    }
    ++networks;
  }
  EXPECT_EQ(networks, 6);
}

}  // namespace
}  // namespace latgrad::net::test
