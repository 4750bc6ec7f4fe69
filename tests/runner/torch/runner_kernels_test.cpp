// Every operator type that the runner measures, in the shapes and spellings that networks have: each kernel
// runs, and computes a tensor of the shape that shape inference tells.

#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deprecation_guard.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/registry.h"
#include "net/spellings.h"
#include "prepared_chain.h"
#include "runner_keys.h"

namespace latgrad::runner {
namespace {

using lut::OperatorKey;
using net::Shape;

struct KernelCase {
  const char* name;
  OperatorKey key;
};

// So that a failing case is printed by its name.
void PrintTo(const KernelCase& kernel_case, std::ostream* out) { *out << kernel_case.name; }

Shape inferred_shape(const OperatorKey& key) {
  net::Operator op;
  op.type = key.op_type;
  op.args = key.args;
  net::Net net;
  for (size_t index = 0; index < key.input_shapes.size(); ++index) {
    const std::string blob = std::to_string(index);
    op.inputs.push_back(blob);
    net.external_inputs.push_back(blob);
    auto& known = index == 0 ? net.inputs : net.parameters;
    known[blob] = {key.input_shapes[index], is_int8(key) ? net::DataType::kUint8 : net::DataType::kFloat};
  }
  op.outputs = {"output"};
  const size_t outputs =
      std::max(net::find_operator_type(key.op_type)->outputs.least, arguments(key).integers("split").size());
  for (size_t part = 1; part < outputs; ++part) op.outputs.push_back(std::to_string(part));
  net.ops = {op};
  return net::infer_shapes(net).ops[0].outputs[0].shape;
}

class KernelTest : public ::testing::TestWithParam<KernelCase> {
 protected:
  void SetUp() override {
    try {
      at::globalContext().setQEngine(at::QEngine::QNNPACK);
    } catch (const c10::Error&) {
      GTEST_SKIP() << "needs a torch with QNNPACK";
    }
  }

  c10::InferenceMode inference_mode_;
  DeprecationGuard deprecation_guard_;
};

TEST_P(KernelTest, ComputesATensorOfTheInferredShape) {
  const OperatorKey& key = GetParam().key;
  PreparedChain prepared({link(key.op_type, key.args, key.input_shapes)}, at::kCPU);
  ASSERT_EQ(prepared.unsupported()[0], "");
  prepared.keep_outputs();
  prepared.run([](size_t) {});
  const Shape expected = inferred_shape(key);
  const Shape actual = prepared.output_shape(0);
  EXPECT_EQ(net::num_elements(actual), net::num_elements(expected));
  // FC and Softmax leave matrices, which other readers see through a view.
  if (!key.op_type.ends_with("FC") && !key.op_type.ends_with("oftmax")) {
    EXPECT_EQ(actual, expected);
  }
  if (at::Tensor output = prepared.output(0); !output.is_quantized()) {
    EXPECT_TRUE(output.isfinite().all().item<bool>() || key.op_type == "Log" || key.op_type == "Sqrt" ||
                key.op_type == "Rsqrt" || key.op_type == "Pow");
  }
}

TEST(KernelTypesTest, AreInTheRegistry) {
  const std::vector<std::string_view> types = kernel_types();
  EXPECT_GT(types.size(), 130);
  for (const std::string_view type : types) {
    // A made-up operator, which no network has.
    EXPECT_EQ(net::find_operator_type(type) != nullptr, type != "LatgradDelay") << type;
  }
}

// Shape inference and keys read the same: tests/net/arguments_test.cpp, tests/lut/operator_key_test.cpp.
TEST(KernelSpellingsTest, EveryCombinationIsMeasuredAsItIsFiled) {
  const c10::InferenceMode inference_mode;
  const std::vector<net::test::Spelled> windows = net::test::spelled_windows();
  size_t measured = 0;
  for (size_t at = 0; at < windows.size(); at += 7) {  // each runs a convolution
    const net::test::Spelled& spelled = windows[at];
    const net::test::Caffe2Window expected = net::test::caffe2_window(spelled);
    if (!expected.fits(2)) continue;
    const std::vector<Shape> shapes = {{1, 2, 24, 26}, {3, 2, expected.kernel[0], expected.kernel[1]}};
    PreparedChain prepared({link("Conv", spelled.args, shapes)}, at::kCPU);
    ASSERT_EQ(prepared.unsupported()[0], "") << spelled.text();
    prepared.keep_outputs();
    prepared.run([](size_t) {});
    EXPECT_EQ(prepared.output_shape(0), inferred_shape({"Conv", expected.as_lists(), shapes, {}}))
        << spelled.text();
    ++measured;
  }
  EXPECT_GT(measured, 100);
}

std::string name_of(const ::testing::TestParamInfo<KernelCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Int8Conv, KernelTest,
    ::testing::Values(
        KernelCase{"Conv1x1", {"Int8Conv", {arg("kernel", 1)}, {{1, 8, 9, 16}, {24, 1, 1, 16}, {24}}}},
        KernelCase{"ConvReluStride2",
                   {"Int8ConvRelu",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1)},
                    {{1, 9, 7, 3}, {16, 3, 3, 3}, {16}}}},
        KernelCase{"ConvGroups2",
                   {"Int8Conv", {arg("kernel", 1), arg("group", 2)}, {{1, 8, 8, 16}, {24, 1, 1, 8}, {24}}}},
        KernelCase{"ConvDepthwiseBatch2",
                   {"Int8ConvRelu",
                    {arg("kernel", 5), arg("pad", 2), arg("group", 16), arg("stride", 2)},
                    {{2, 8, 8, 16}, {16, 5, 5, 1}, {16}}}},
        KernelCase{"ConvDilated",
                   {"Int8Conv",
                    {arg("kernel", 3), arg("pad", 1), arg("dilation", 2)},
                    {{1, 8, 8, 16}, {16, 3, 3, 16}, {16}}}},
        KernelCase{"ConvOblongWithoutBias",
                   {"Int8Conv",
                    {arg("kernel_h", 3), arg("kernel_w", 1), arg("pad_t", 1), arg("pad_b", 1),
                     arg("pad_l", 0), arg("pad_r", 0)},
                    {{1, 8, 8, 16}, {24, 3, 1, 16}}}},
        KernelCase{"ConvSum",
                   {"Int8ConvSum", {arg("kernel", 1)}, {{1, 8, 9, 16}, {24, 1, 1, 16}, {24}, {1, 8, 9, 24}}}},
        KernelCase{
            "ConvSumRelu",
            {"Int8ConvSumRelu", {arg("kernel", 1)}, {{1, 8, 9, 16}, {24, 1, 1, 16}, {24}, {1, 8, 9, 24}}}},
        KernelCase{"ConvTranspose",
                   {"Int8ConvTranspose",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1), arg("adj", 1)},
                    {{1, 8, 9, 16}, {16, 3, 3, 24}, {24}}}},
        KernelCase{"FC", {"Int8FC", {}, {{2, 1, 1, 16}, {10, 16}, {10}}}},
        KernelCase{"FCOfAnImage", {"Int8FC", {}, {{2, 3, 4, 16}, {10, 192}, {10}}}},
        KernelCase{"FCRelu", {"Int8FCRelu", {}, {{2, 16}, {10, 16}, {10}}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Int8, KernelTest,
    ::testing::Values(
        KernelCase{"Quantize", {"Int8Quantize", {}, {{1, 8, 9, 3}}}},
        KernelCase{"Dequantize", {"Int8Dequantize", {}, {{1, 10}}}},
        KernelCase{"Add", {"Int8Add", {}, {{1, 8, 9, 16}, {1, 8, 9, 16}}}},
        KernelCase{"AddRelu", {"Int8AddRelu", {}, {{1, 8, 9, 16}, {1, 8, 9, 16}}}},
        KernelCase{"Sum", {"Int8Sum", {}, {{1, 8, 9, 16}, {1, 8, 9, 16}}}},
        KernelCase{"SumOfThree", {"Int8Sum", {}, {{1, 8, 8, 4}, {1, 8, 8, 4}, {1, 8, 8, 4}}}},
        KernelCase{"SumRelu", {"Int8SumRelu", {}, {{1, 8, 8, 4}, {1, 8, 8, 4}, {1, 8, 8, 4}}}},
        KernelCase{"Mul", {"Int8Mul", {}, {{1, 8, 9, 16}, {1, 8, 9, 16}}}},
        KernelCase{"MulByPixel", {"Int8Mul", {}, {{1, 8, 9, 16}, {1, 1, 1, 16}}}},
        KernelCase{"Relu", {"Int8Relu", {}, {{1, 8, 9, 16}}}},
        KernelCase{"LeakyRelu", {"Int8LeakyRelu", {real("alpha", 0.1f)}, {{1, 8, 9, 16}}}},
        KernelCase{"Sigmoid", {"Int8Sigmoid", {}, {{1, 8, 9, 16}}}},
        KernelCase{"Tanh", {"Int8Tanh", {}, {{1, 8, 9, 16}}}},
        KernelCase{"Softmax", {"Int8Softmax", {}, {{1, 10}}}},
        KernelCase{"SpatialBN", {"Int8SpatialBN", {}, {{1, 8, 9, 16}, {16}, {16}, {16}, {16}}}},
        KernelCase{"SpatialBNRelu", {"Int8SpatialBNRelu", {}, {{1, 8, 9, 16}, {16}, {16}, {16}, {16}}}},
        KernelCase{"ChannelShuffle", {"Int8ChannelShuffle", {arg("group", 2)}, {{1, 8, 9, 16}}}},
        KernelCase{"AveragePool", {"Int8AveragePool", {arg("kernel", 7), arg("stride", 7)}, {{1, 7, 7, 16}}}},
        KernelCase{"GlobalAveragePool", {"Int8AveragePool", {arg("global_pooling", 1)}, {{1, 5, 7, 16}}}},
        KernelCase{"AveragePoolRelu", {"Int8AveragePoolRelu", {arg("kernel", 2)}, {{1, 5, 7, 16}}}},
        KernelCase{"MaxPool",
                   {"Int8MaxPool", {arg("kernel", 3), arg("stride", 2), arg("pad", 1)}, {{1, 8, 9, 16}}}},
        KernelCase{"MaxPoolRelu", {"Int8MaxPoolRelu", {arg("kernel", 2), arg("stride", 2)}, {{1, 8, 9, 16}}}},
        KernelCase{
            "ResizeNearest",
            {"Int8ResizeNearest", {real("height_scale", 2.f), real("width_scale", 3.f)}, {{1, 4, 5, 16}}}},
        KernelCase{"Concat", {"Int8Concat", {arg("axis", 3)}, {{1, 4, 5, 16}, {1, 4, 5, 8}}}},
        KernelCase{"ConcatByOrder", {"Int8Concat", {nhwc()}, {{1, 4, 5, 16}, {1, 4, 5, 8}}}},
        KernelCase{"ConcatOfBatches", {"Int8Concat", {}, {{1, 4, 5, 16}, {2, 4, 5, 16}}}},
        KernelCase{"Flatten", {"Int8Flatten", {}, {{2, 4, 5, 16}}}},
        KernelCase{"Reshape", {"Int8Reshape", {ints("shape", {0, -1, 2})}, {{2, 4, 5, 16}}}},
        KernelCase{
            "Slice",
            {"Int8Slice", {ints("starts", {0, 1, 0, 4}), ints("ends", {-1, 3, -1, -2})}, {{2, 4, 5, 16}}}},
        KernelCase{"Transpose", {"Int8Transpose", {ints("axes", {0, 3, 1, 2})}, {{2, 4, 5, 16}}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Fp32Conv, KernelTest,
    ::testing::Values(
        KernelCase{"ConvStride2",
                   {"Conv",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1)},
                    {{1, 3, 9, 7}, {16, 3, 3, 3}, {16}}}},
        KernelCase{"ConvInNhwc", {"Conv", {arg("kernel", 3), nhwc()}, {{1, 9, 7, 3}, {16, 3, 3, 3}}}},
        KernelCase{
            "ConvDepthwise",
            {"Conv", {arg("kernel", 5), arg("pad", 2), arg("group", 16)}, {{1, 16, 8, 8}, {16, 1, 5, 5}}}},
        KernelCase{"ConvPaddedOnOneSide",
                   {"Conv",
                    {arg("kernel", 3), arg("stride", 2), ints("pads", {0, 0, 1, 1})},
                    {{1, 3, 8, 8}, {16, 3, 3, 3}, {16}}}},
        KernelCase{"ConvInNhwcPaddedOnOneSide",
                   {"Conv",
                    {arg("kernel", 3), arg("stride", 2), ints("pads", {0, 1, 1, 2}), nhwc()},
                    {{1, 8, 8, 3}, {16, 3, 3, 3}, {16}}}},
        KernelCase{"ConvRelu", {"ConvRelu", {arg("kernel", 1)}, {{1, 16, 8, 8}, {24, 16, 1, 1}, {24}}}},
        KernelCase{"Conv1D", {"Conv1D", {arg("kernel", 3), arg("pad", 1)}, {{1, 16, 8}, {24, 16, 3}, {24}}}},
        KernelCase{"Conv2D", {"Conv2D", {arg("kernel", 3)}, {{1, 16, 8, 8}, {24, 16, 3, 3}, {24}}}},
        KernelCase{"Conv3D",
                   {"Conv3D", {arg("kernel", 3), arg("stride", 2)}, {{1, 4, 5, 8, 8}, {6, 4, 3, 3, 3}, {6}}}},
        KernelCase{"ConvTranspose",
                   {"ConvTranspose",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1), arg("adj", 1)},
                    {{1, 16, 8, 9}, {16, 24, 3, 3}, {24}}}},
        KernelCase{
            "ConvTransposeInNhwc",
            {"ConvTranspose", {arg("kernel", 2), arg("stride", 2), nhwc()}, {{1, 8, 9, 16}, {16, 2, 2, 24}}}},
        KernelCase{"FC", {"FC", {}, {{2, 16, 1, 1}, {10, 16}, {10}}}},
        KernelCase{"FCOfPixels", {"FC", {arg("axis", 2)}, {{2, 3, 16}, {10, 16}, {10}}}},
        KernelCase{"FCTransposed", {"FCTransposed", {}, {{2, 16}, {16, 10}, {10}}}},
        KernelCase{"MatMul", {"MatMul", {}, {{2, 16}, {16, 10}}}},
        KernelCase{"MatMulTransposed",
                   {"MatMul", {arg("trans_a", 1), arg("trans_b", 1)}, {{16, 2}, {10, 16}}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Fp32Pool, KernelTest,
    ::testing::Values(
        KernelCase{"AveragePool", {"AveragePool", {arg("kernel", 7), arg("stride", 1)}, {{1, 16, 7, 7}}}},
        KernelCase{"AveragePool1D", {"AveragePool1D", {arg("kernel", 2), arg("stride", 2)}, {{1, 16, 7}}}},
        KernelCase{"AveragePool2D", {"AveragePool2D", {arg("kernel", 2), arg("stride", 2)}, {{1, 16, 7, 8}}}},
        KernelCase{"AveragePool3D",
                   {"AveragePool3D", {arg("kernel", 2), arg("stride", 2)}, {{1, 4, 6, 7, 8}}}},
        KernelCase{"GlobalAveragePoolInNhwc",
                   {"AveragePool", {arg("global_pooling", 1), nhwc()}, {{1, 5, 7, 16}}}},
        KernelCase{"MaxPool",
                   {"MaxPool", {arg("kernel", 3), arg("stride", 2), arg("pad", 1)}, {{1, 16, 8, 9}}}},
        KernelCase{
            "MaxPoolPaddedOnOneSide",
            {"MaxPool", {arg("kernel", 3), arg("stride", 2), ints("pads", {0, 0, 1, 1})}, {{1, 16, 8, 8}}}},
        KernelCase{"MaxPool1D", {"MaxPool1D", {arg("kernel", 2), arg("stride", 2)}, {{1, 16, 7}}}},
        KernelCase{"MaxPool2D", {"MaxPool2D", {arg("kernel", 2), arg("stride", 2)}, {{1, 16, 7, 8}}}},
        KernelCase{"MaxPool3D", {"MaxPool3D", {arg("kernel", 2), arg("stride", 2)}, {{1, 4, 6, 7, 8}}}},
        KernelCase{"ChannelShuffle", {"ChannelShuffle", {arg("group", 2)}, {{1, 16, 8, 9}}}},
        KernelCase{"PadImage", {"PadImage", {ints("pads", {1, 2, 3, 4})}, {{1, 3, 8, 9}}}},
        KernelCase{
            "PadImageByReflection",
            {"PadImage", {arg("pad", 2), net::Argument::of_string("mode", "reflect")}, {{1, 3, 8, 9}}}},
        KernelCase{
            "PadImageByEdges",
            {"PadImage", {arg("pad", 2), net::Argument::of_string("mode", "edge"), nhwc()}, {{1, 8, 9, 3}}}},
        KernelCase{"ResizeNearest",
                   {"ResizeNearest", {real("height_scale", 2.f), real("width_scale", 0.5f)}, {{1, 3, 8, 9}}}},
        KernelCase{"UpsampleBilinear",
                   {"UpsampleBilinear",
                    {real("height_scale", 2.f), real("width_scale", 3.f), nhwc()},
                    {{1, 8, 9, 3}}}},
        KernelCase{"UpsampleNearest", {"UpsampleNearest", {arg("scale", 3)}, {{1, 3, 8, 9}}}}),
    name_of);

// One image each.
INSTANTIATE_TEST_SUITE_P(
    Fp32Unary, KernelTest, ::testing::ValuesIn([] {
      std::vector<KernelCase> cases;
      for (const char* type :
           {"Abs",      "Alias", "Clip",        "Copy",         "Cube",  "Dropout",  "Elu",
            "Exp",      "Gelu",  "HardSigmoid", "LeakyRelu",    "Log",   "Negative", "Relu",
            "Relu6",    "ReluN", "Rsqrt",       "Scale",        "Selu",  "Sigmoid",  "Softplus",
            "Softsign", "Sqr",   "Sqrt",        "StopGradient", "Swish", "Tanh",     "ThresholdedRelu"}) {
        cases.push_back({type, {type, {}, {{1, 16, 8, 9}}}});
      }
      return cases;
    }()),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Fp32Arithmetic, KernelTest,
    ::testing::Values(KernelCase{"SumOfThree", {"Sum", {}, {{1, 4, 8, 9}, {1, 4, 8, 9}, {1, 4, 8, 9}}}},
                      KernelCase{"SumRelu", {"SumRelu", {}, {{1, 4, 8, 9}, {1, 4, 8, 9}}}},
                      KernelCase{"Mean", {"Mean", {}, {{1, 4, 8, 9}, {1, 4, 8, 9}, {1, 4, 8, 9}}}},
                      KernelCase{"Max", {"Max", {}, {{2, 3}, {2, 3}, {2, 3}}}},
                      KernelCase{"Min", {"Min", {}, {{2, 3}, {2, 3}}}},
                      KernelCase{"Add", {"Add", {}, {{1, 4, 8, 9}, {1, 4, 8, 9}}}},
                      KernelCase{"AddOfARow", {"Add", {}, {{1, 4, 8, 9}, {9}}}},
                      KernelCase{"AddOfChannels",
                                 {"Add", {arg("broadcast", 1), arg("axis", 1)}, {{1, 4, 8, 9}, {4}}}},
                      KernelCase{"AddOfOne", {"Add", {arg("broadcast", 1)}, {{1, 4, 8, 9}, {1}}}},
                      KernelCase{"MulByPixel", {"Mul", {}, {{1, 4, 8, 9}, {1, 4, 1, 1}}}},
                      KernelCase{"Sub", {"Sub", {}, {{2, 3}, {2, 3}}}},
                      KernelCase{"Div", {"Div", {}, {{2, 3}, {2, 3}}}},
                      KernelCase{"Pow", {"Pow", {}, {{2, 3}, {2, 3}}}},
                      KernelCase{"PowOfExponent", {"Pow", {real("exponent", 2.f)}, {{2, 3}}}},
                      KernelCase{"PRelu", {"PRelu", {}, {{1, 4, 8, 9}, {4}}}},
                      KernelCase{"PReluInNhwc", {"PRelu", {nhwc()}, {{1, 8, 9, 4}, {4}}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Fp32Normalise, KernelTest,
    ::testing::Values(
        KernelCase{"SpatialBN", {"SpatialBN", {}, {{1, 4, 8, 9}, {4}, {4}, {4}, {4}}}},
        KernelCase{"SpatialBNInNhwc", {"SpatialBN", {nhwc()}, {{1, 8, 9, 4}, {4}, {4}, {4}, {4}}}},
        KernelCase{"AffineChannel", {"AffineChannel", {}, {{1, 4, 8, 9}, {4}, {4}}}},
        KernelCase{"InstanceNorm", {"InstanceNorm", {}, {{2, 4, 8, 9}, {4}, {4}}}},
        KernelCase{"GroupNorm", {"GroupNorm", {arg("group", 2)}, {{2, 4, 8, 9}, {4}, {4}}}},
        KernelCase{"LayerNorm", {"LayerNorm", {}, {{2, 4, 8}}}},
        KernelCase{"LayerNormScaled", {"LayerNorm", {arg("axis", 2)}, {{2, 4, 8}, {8}, {8}}}},
        KernelCase{"Softmax", {"Softmax", {}, {{1, 10, 1, 1}}}},
        KernelCase{"LogSoftmax", {"LogSoftmax", {}, {{3, 10}}}},
        KernelCase{"ReduceL1", {"ReduceL1", {ints("axes", {1})}, {{2, 4, 8}}}},
        KernelCase{"ReduceL2", {"ReduceL2", {}, {{2, 4, 8}}}},
        KernelCase{"ReduceMax", {"ReduceMax", {ints("axes", {2, 3}), arg("keepdims", 0)}, {{2, 4, 8, 9}}}},
        KernelCase{"ReduceMean", {"ReduceMean", {ints("axes", {2, 3}), arg("keepdims", 1)}, {{2, 4, 8, 9}}}},
        KernelCase{"ReduceMeanInNhwc",
                   {"ReduceMean", {ints("axes", {1, 2}), arg("keepdims", 0), nhwc()}, {{2, 8, 9, 4}}}},
        KernelCase{"ReduceRowsInNhwc",
                   {"ReduceSum", {ints("axes", {1}), arg("keepdims", 0), nhwc()}, {{2, 8, 9, 4}}}},
        KernelCase{"ReduceMin", {"ReduceMin", {ints("axes", {-1})}, {{2, 4, 8}}}},
        KernelCase{"ReduceSum", {"ReduceSum", {ints("axes", {0})}, {{2, 4, 8}}}},
        KernelCase{"ReduceFrontMean", {"ReduceFrontMean", {}, {{2, 4, 8}}}},
        KernelCase{"ReduceFrontSum", {"ReduceFrontSum", {arg("num_reduce_dim", 2)}, {{2, 4, 8}}}},
        KernelCase{"ReduceFrontMax", {"ReduceFrontMax", {}, {{2, 4, 8}}}},
        KernelCase{"ReduceBackMean", {"ReduceBackMean", {arg("num_reduce_dim", 2)}, {{2, 4, 8, 9}}}},
        KernelCase{"ReduceBackSum", {"ReduceBackSum", {}, {{2, 4, 8}}}},
        KernelCase{"ReduceBackMax", {"ReduceBackMax", {}, {{2, 4, 8}}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Shape, KernelTest,
    ::testing::Values(
        KernelCase{"NCHW2NHWC", {"NCHW2NHWC", {}, {{1, 3, 8, 9}}}},
        KernelCase{"NHWC2NCHW", {"NHWC2NCHW", {}, {{1, 8, 9, 3}}}},
        KernelCase{"Concat", {"Concat", {}, {{1, 4, 8, 9}, {1, 3, 8, 9}}}},
        KernelCase{"ConcatInNhwc", {"Concat", {nhwc()}, {{1, 8, 9, 4}, {1, 8, 9, 3}}}},
        KernelCase{"ConcatOfRows", {"Concat", {arg("axis", -2)}, {{1, 4, 8, 9}, {1, 4, 7, 9}}}},
        KernelCase{"ConcatOnANewAxis", {"Concat", {arg("axis", 1), arg("add_axis", 1)}, {{4, 8}, {4, 8}}}},
        KernelCase{"DepthConcat", {"DepthConcat", {}, {{1, 4, 8, 9}, {1, 3, 8, 9}}}},
        KernelCase{"Split", {"Split", {ints("split", {1, 3})}, {{1, 4, 8, 9}}}},
        KernelCase{"DepthSplit", {"DepthSplit", {ints("split", {1, 3}), nhwc()}, {{1, 8, 9, 4}}}},
        KernelCase{"Slice", {"Slice", {ints("starts", {0, 1}), ints("ends", {-1, 3})}, {{1, 4, 8, 9}}}},
        KernelCase{
            "SliceInNhwc",
            {"Slice", {ints("starts", {0, 0, 0, 1}), ints("ends", {-1, 5, -2, 3}), nhwc()}, {{1, 8, 9, 4}}}},
        KernelCase{"ExpandDims", {"ExpandDims", {ints("dims", {0, 2})}, {{4, 8}}}},
        KernelCase{"Squeeze", {"Squeeze", {ints("dims", {2, 3})}, {{4, 8, 1, 1}}}},
        KernelCase{"Flatten", {"Flatten", {arg("axis", 2)}, {{1, 4, 8, 9}}}},
        KernelCase{"FlattenToVec", {"FlattenToVec", {}, {{1, 4, 8, 9}}}},
        KernelCase{"MergeDim", {"MergeDim", {}, {{2, 4, 8}}}},
        KernelCase{"PrependDim", {"PrependDim", {arg("dim_size", 2)}, {{4, 8}}}},
        KernelCase{"Reshape", {"Reshape", {ints("shape", {0, -1, 2})}, {{1, 4, 8, 9}}}},
        KernelCase{"ResizeLike", {"ResizeLike", {}, {{1, 4, 8, 9}, {8, 36}}}},
        KernelCase{"Transpose", {"Transpose", {ints("axes", {0, 2, 1})}, {{2, 4, 8}}}},
        KernelCase{"TransposeBackwards", {"Transpose", {}, {{2, 4, 8}}}}),
    name_of);

// Networks translated from Caffe: the last window may reach beyond the image, and is clipped.
INSTANTIATE_TEST_SUITE_P(
    LegacyPad, KernelTest,
    ::testing::Values(
        KernelCase{"CaffeMaxPoolEven",
                   {"MaxPool", {arg("kernel", 2), arg("stride", 2), arg("legacy_pad", 3)}, {{1, 8, 6, 6}}}},
        KernelCase{"CaffeMaxPoolOdd",
                   {"MaxPool", {arg("kernel", 2), arg("stride", 2), arg("legacy_pad", 3)}, {{1, 8, 7, 7}}}},
        KernelCase{"CaffeMaxPoolSmallMap",
                   {"MaxPool", {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 3)}, {{1, 8, 2, 5}}}},
        KernelCase{"CaffeMaxPoolPadded",
                   {"MaxPool",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1), arg("legacy_pad", 3)},
                    {{1, 8, 7, 8}}}},
        KernelCase{
            "CaffeAveragePoolOdd",
            {"AveragePool", {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 3)}, {{1, 8, 6, 8}}}},
        KernelCase{"CaffeGlobalPool",
                   {"AveragePool", {arg("global_pooling", 1), arg("legacy_pad", 3)}, {{1, 8, 6, 8}}}},
        KernelCase{"CaffeConv",
                   {"Conv",
                    {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 3)},
                    {{1, 8, 8, 8}, {4, 8, 3, 3}, {4}}}},
        KernelCase{"SameConv",
                   {"Conv",
                    {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 2)},
                    {{1, 8, 8, 7}, {4, 8, 3, 3}, {4}}}},
        KernelCase{"SameMaxPool",
                   {"MaxPool", {arg("kernel", 2), arg("stride", 2), arg("legacy_pad", 2)}, {{1, 8, 7, 7}}}},
        KernelCase{"SameCrops",
                   {"MaxPool", {arg("kernel", 1), arg("stride", 3), arg("legacy_pad", 2)}, {{1, 8, 7, 8}}}},
        KernelCase{"ValidConv",
                   {"Conv", {arg("kernel", 3), arg("legacy_pad", 1)}, {{1, 8, 8, 7}, {4, 8, 3, 3}, {4}}}},
        // Nothing is cut from the result of a transposed convolution.
        KernelCase{
            "ValidConvTranspose",
            {"ConvTranspose", {arg("kernel", 3), arg("legacy_pad", 1)}, {{1, 8, 8, 7}, {8, 4, 3, 3}, {4}}}},
        KernelCase{"SameConvTranspose",
                   {"ConvTranspose",
                    {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 2)},
                    {{1, 8, 8, 7}, {8, 4, 3, 3}, {4}}}},
        KernelCase{"PadOverHalfAKernel", {"AveragePool", {arg("kernel", 3), arg("pad", 2)}, {{1, 8, 7, 7}}}},
        KernelCase{"Int8SameConv",
                   {"Int8ConvRelu",
                    {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 2)},
                    {{1, 8, 8, 16}, {8, 3, 3, 16}, {8}}}},
        KernelCase{
            "Int8CaffeMaxPool",
            {"Int8MaxPool", {arg("kernel", 3), arg("stride", 2), arg("legacy_pad", 3)}, {{1, 8, 8, 16}}}}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Others, KernelTest,
    ::testing::Values(
        KernelCase{"ArgMax", {"ArgMax", {arg("axis", 1)}, {{2, 6, 5}}}},
        KernelCase{"ArgMinWithoutTheAxis", {"ArgMin", {arg("keepdims", 0)}, {{2, 6, 5}}}},
        KernelCase{"BatchMatMul", {"BatchMatMul", {arg("trans_b", 1)}, {{3, 10, 7}, {3, 10, 7}}}},
        KernelCase{"BatchMatMulBroadcast",
                   {"BatchMatMul", {arg("trans_b", 1)}, {{2, 2, 3, 4}, {2, 1, 5, 4}}}},
        KernelCase{"Cast", {"Cast", {arg("to", 10)}, {{4, 6}}}},
        KernelCase{"ConstantFill", {"ConstantFill", {ints("shape", {2, 3}), arg("value", 7)}, {}}},
        KernelCase{"Shape", {"Shape", {}, {{4, 6, 2}}}},
        KernelCase{"ShapeOfAnAxis", {"Shape", {ints("axes", {1})}, {{4, 6, 2}}}},
        KernelCase{"IsEmpty", {"IsEmpty", {}, {{4, 6, 2}}}},
        KernelCase{"DotProduct", {"DotProduct", {}, {{4, 6}, {4, 6}}}},
        KernelCase{"ElementwiseLinear", {"ElementwiseLinear", {}, {{4, 6}, {6}, {6}}}},
        KernelCase{"Gather", {"Gather", {}, {{6, 5}, {3}}}},
        KernelCase{"GatherAlongAnAxis", {"Gather", {arg("axis", 1)}, {{6, 5, 2}, {2, 2}}}},
        KernelCase{"HardSwish", {"HardSwish", {}, {{1, 8, 5, 5}}}},
        KernelCase{"Log1p", {"Log1p", {}, {{1, 8, 5, 5}}}}, KernelCase{"LpNorm", {"LpNorm", {}, {{3, 8}}}},
        KernelCase{"LRN",
                   {"LRN", {arg("size", 5), real("alpha", 1e-4F), real("beta", 0.75F)}, {{1, 16, 5, 6}}}},
        KernelCase{
            "LRNNhwc",
            {"LRN", {arg("size", 5), real("alpha", 1e-4F), real("beta", 0.75F), nhwc()}, {{1, 5, 6, 16}}}},
        KernelCase{"Mod", {"Mod", {arg("divisor", 3)}, {{4, 6}}}},
        KernelCase{"RMSNorm", {"RMSNorm", {}, {{4, 6}, {6}, {6}}}},
        KernelCase{"RoIAlign",
                   {"RoIAlign",
                    {arg("pooled_h", 7), arg("pooled_w", 5), arg("sampling_ratio", 2)},
                    {{1, 8, 20, 20}, {11, 5}}}},
        KernelCase{"RoIAlignNhwc",
                   {"RoIAlign", {arg("pooled_h", 3), arg("pooled_w", 3), nhwc()}, {{1, 20, 20, 8}, {4, 5}}}},
        KernelCase{"Sign", {"Sign", {}, {{4, 6}}}}, KernelCase{"Sin", {"Sin", {}, {{4, 6}}}},
        KernelCase{"Tile", {"Tile", {arg("tiles", 3), arg("axis", 1)}, {{2, 4, 3}}}},
        KernelCase{"TopK", {"TopK", {arg("k", 4)}, {{2, 9}}}}),
    name_of);

// What ONNX brings and Caffe2 lacks.
INSTANTIATE_TEST_SUITE_P(
    Onnx, KernelTest,
    ::testing::Values(
        KernelCase{"BatchMatMulWithAWeight", {"BatchMatMul", {}, {{1, 7, 4}, {4, 6}}}},
        KernelCase{"DepthToSpace", {"DepthToSpace", {arg("blocksize", 2)}, {{1, 8, 3, 4}}}},
        KernelCase{
            "DepthToSpaceByColumns",
            {"DepthToSpace", {arg("blocksize", 2), net::Argument::of_string("mode", "CRD")}, {{1, 8, 3, 4}}}},
        KernelCase{"CumSum", {"CumSum", {arg("axis", 1)}, {{2, 3, 5}}}},
        KernelCase{"Celu", {"Celu", {}, {{2, 9}}}}, KernelCase{"Erf", {"Erf", {}, {{2, 9}}}},
        KernelCase{"GatherElements", {"GatherElements", {arg("axis", 1)}, {{6, 5, 2}, {4, 7, 2}}}},
        KernelCase{"GatherND", {"GatherND", {}, {{6, 5, 2}, {3, 4, 2}}}},
        KernelCase{"GatherNDOfABatch", {"GatherND", {arg("batch_dims", 1)}, {{6, 5, 2}, {6, 4, 1}}}},
        KernelCase{"ScatterElements",
                   {"ScatterElements", {arg("axis", 1)}, {{6, 5, 2}, {4, 7, 2}, {4, 7, 2}}}},
        KernelCase{"ScatterND", {"ScatterND", {}, {{6, 5, 2}, {3, 1}, {3, 5, 2}}}},
        KernelCase{"Trilu", {"Trilu", {arg("upper", 0), arg("k", -1)}, {{2, 5, 4}}}},
        KernelCase{"Expand", {"Expand", {ints("shape", {2, 1, 6})}, {{3, 1}}}},
        KernelCase{"GeluByTanh", {"Gelu", {arg("fast_gelu", 1)}, {{2, 9}}}},
        KernelCase{"GatherAScalar", {"Gather", {arg("axis", 1)}, {{1, 7, 4}, {}}}},
        KernelCase{"LayerNormalization", {"LayerNormalization", {}, {{1, 7, 4}, {4}, {4}}}},
        KernelCase{"LayerNormalizationFromAxis",
                   {"LayerNormalization", {arg("axis", -2)}, {{2, 7, 4}, {7, 4}}}},
        KernelCase{"Mish", {"Mish", {}, {{2, 9}}}},
        KernelCase{"Pad", {"Pad", {ints("pads", {0, 1, 0, 2, 0, -1})}, {{2, 3, 5}}}},
        KernelCase{"Reciprocal", {"Reciprocal", {}, {{2, 9}}}},
        KernelCase{"ReduceLogSumExp", {"ReduceLogSumExp", {ints("axes", {1})}, {{2, 3, 5}}}},
        KernelCase{"ReduceProd", {"ReduceProd", {ints("axes", {0, 2}), arg("keepdims", 0)}, {{2, 3, 5}}}},
        KernelCase{"ReduceSumSquare", {"ReduceSumSquare", {}, {{2, 3, 5}}}},
        KernelCase{"ResizeCubic",
                   {"Resize",
                    {net::Argument::of_string("mode", "cubic"), ints("sizes", {1, 3, 7, 11})},
                    {{1, 3, 5, 6}}}},
        KernelCase{"RMSNormalization", {"RMSNormalization", {}, {{1, 7, 4}, {4}}}},
        KernelCase{"Round", {"Round", {}, {{2, 9}}}},
        KernelCase{
            "SliceWithSteps",
            {"Slice", {ints("starts", {0, 1}), ints("ends", {-1, 9}), ints("steps", {1, 3})}, {{2, 9}}}},
        KernelCase{
            "SliceBackwards",
            {"Slice", {ints("starts", {0, 0}), ints("ends", {-1, 9}), ints("steps", {1, -2})}, {{2, 9}}}},
        KernelCase{"SpaceToDepth", {"SpaceToDepth", {arg("blocksize", 2)}, {{1, 3, 4, 6}}}},
        KernelCase{"Where", {"Where", {}, {{9}, {2, 9}, {1}}}}),
    name_of);

TEST(RandomTensorTest, HoldsNeitherZerosNorDenormals) {
  at::Tensor tensor = random_tensor({10000}, 2);
  EXPECT_LE(tensor.abs().max().item<double>(), 2);
  EXPECT_GE(tensor.abs().min().item<double>(), 2.0 / 16);
  EXPECT_LT(tensor.min().item<double>(), -1.9);
  EXPECT_GT(tensor.max().item<double>(), 1.9);
}

TEST(TorchAxisTest, IsTheKeysAxisInAnImageWithChannelsFirst) {
  const auto axes = [](bool channels_last) {
    std::vector<int64_t> axes;
    for (int64_t axis : {0, 1, 2, 3, -1}) axes.push_back(torch_axis(axis, 4, channels_last));
    return axes;
  };
  EXPECT_THAT(axes(false), ::testing::ElementsAre(0, 1, 2, 3, 3));
  EXPECT_THAT(axes(true), ::testing::ElementsAre(0, 2, 3, 1, 1));
  EXPECT_THROW(torch_axis(4, 4, false), ValueError);
}

}  // namespace
}  // namespace latgrad::runner
