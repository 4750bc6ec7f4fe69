// Every operator type that the profiler measures, in the shapes and spellings that networks have: each kernel
// runs, and computes the tensor that the operator computes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine.h"
#include "kernels.h"

namespace latgrad::profile {
namespace {

using lut::Argument;
using lut::OperatorKey;
using lut::Shape;

struct KernelCase {
  const char* name;
  OperatorKey key;
  Shape output;  // images as torch holds them: [n, c, h, w]
};

// So that a failing case is printed by its name.
void PrintTo(const KernelCase& kernel_case, std::ostream* out) { *out << kernel_case.name; }

Argument arg(const char* name, int64_t value) { return Argument::of_int(name, value); }
Argument nhwc() { return Argument::of_string("order", "NHWC"); }

KernelFactory factory(const std::string& op_type) {
  const auto& kernels = op_type.starts_with("Int8") ? int8_kernels() : fp32_kernels();
  return kernels.at(op_type);
}

class KernelTest : public ::testing::TestWithParam<KernelCase> {
 protected:
  TorchEngine engine_{1};
};

TEST_P(KernelTest, ComputesATensorOfTheOperatorsShape) {
  at::Tensor output = factory(GetParam().key.op_type)(GetParam().key)();
  EXPECT_EQ(output.sizes().vec(), GetParam().output);
}

TEST_P(KernelTest, IsPreparedByTheEngine) {
  Prepared prepared = engine_.prepare(GetParam().key);
  ASSERT_TRUE(std::holds_alternative<Call>(prepared)) << std::get<Unsupported>(prepared).reason;
  std::get<Call>(prepared)();
}

INSTANTIATE_TEST_SUITE_P(
    Int8, KernelTest,
    ::testing::Values(
        KernelCase{"Layout", {"NCHW2NHWC", {}, {{1, 3, 8, 9}}, {}}, {1, 8, 9, 3}},
        KernelCase{"Quantize", {"Int8Quantize", {}, {{1, 8, 9, 3}}, {}}, {1, 8, 9, 3}},
        KernelCase{"Conv1x1",
                   {"Int8Conv", {arg("kernel", 1)}, {{1, 8, 9, 16}, {24, 1, 1, 16}, {24}}, {}},
                   {1, 24, 8, 9}},
        KernelCase{"ConvReluStride2",
                   {"Int8ConvRelu",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1)},
                    {{1, 9, 7, 3}, {16, 3, 3, 3}, {16}},
                    {}},
                   {1, 16, 5, 4}},
        KernelCase{
            "ConvGroups2",
            {"Int8Conv", {arg("kernel", 1), arg("group", 2)}, {{1, 8, 8, 16}, {24, 1, 1, 8}, {24}}, {}},
            {1, 24, 8, 8}},
        KernelCase{"ConvDepthwiseBatch2",
                   {"Int8ConvRelu",
                    {arg("kernel", 5), arg("pad", 2), arg("group", 16), arg("stride", 2)},
                    {{2, 8, 8, 16}, {16, 5, 5, 1}, {16}},
                    {}},
                   {2, 16, 4, 4}},
        KernelCase{"ConvDilated",
                   {"Int8Conv",
                    {arg("kernel", 3), arg("pad", 1), arg("dilation", 2)},
                    {{1, 8, 8, 16}, {16, 3, 3, 16}, {16}},
                    {}},
                   {1, 16, 6, 6}},
        KernelCase{"ConvOblongWithoutBias",
                   {"Int8Conv", {arg("pad_t", 1), arg("pad_b", 1)}, {{1, 8, 8, 16}, {24, 3, 1, 16}}, {}},
                   {1, 24, 8, 8}},
        KernelCase{"Sum", {"Int8Sum", {}, {{1, 8, 9, 16}, {1, 8, 9, 16}}, {}}, {1, 8, 9, 16}},
        KernelCase{
            "SumOfThree", {"Int8Sum", {}, {{1, 8, 8, 4}, {1, 8, 8, 4}, {1, 8, 8, 4}}, {}}, {1, 8, 8, 4}},
        KernelCase{
            "ChannelShuffle", {"Int8ChannelShuffle", {arg("group", 2)}, {{1, 8, 9, 16}}, {}}, {1, 16, 8, 9}},
        KernelCase{"AveragePool",
                   {"Int8AveragePool", {arg("kernel", 7), arg("stride", 7)}, {{1, 7, 7, 16}}, {}},
                   {1, 16, 1, 1}},
        KernelCase{"GlobalAveragePool",
                   {"Int8AveragePool", {arg("global_pooling", 1)}, {{1, 5, 7, 16}}, {}},
                   {1, 16, 1, 1}},
        KernelCase{"FC", {"Int8FC", {}, {{2, 1, 1, 16}, {10, 16}, {10}}, {}}, {2, 10}},
        KernelCase{"Softmax", {"Int8Softmax", {}, {{1, 10}}, {}}, {1, 10}},
        KernelCase{"Dequantize", {"Int8Dequantize", {}, {{1, 10}}, {}}, {1, 10}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Fp32, KernelTest,
    ::testing::Values(
        KernelCase{"ConvStride2",
                   {"Conv",
                    {arg("kernel", 3), arg("stride", 2), arg("pad", 1)},
                    {{1, 3, 9, 7}, {16, 3, 3, 3}, {16}},
                    {}},
                   {1, 16, 5, 4}},
        KernelCase{"ConvInNhwc",
                   {"Conv", {arg("kernel", 3), nhwc()}, {{1, 9, 7, 3}, {16, 3, 3, 3}}, {}},
                   {1, 16, 7, 5}},
        KernelCase{
            "ConvDepthwise",
            {"Conv", {arg("kernel", 5), arg("pad", 2), arg("group", 16)}, {{1, 16, 8, 8}, {16, 1, 5, 5}}, {}},
            {1, 16, 8, 8}},
        KernelCase{"Relu", {"Relu", {}, {{1, 16, 8, 9}}, {}}, {1, 16, 8, 9}},
        KernelCase{"SumOfThree", {"Sum", {}, {{1, 4, 8, 9}, {1, 4, 8, 9}, {1, 4, 8, 9}}, {}}, {1, 4, 8, 9}},
        KernelCase{
            "ChannelShuffle", {"ChannelShuffle", {arg("group", 2)}, {{1, 16, 8, 9}}, {}}, {1, 16, 8, 9}},
        KernelCase{"AveragePool",
                   {"AveragePool", {arg("kernel", 7), arg("stride", 1)}, {{1, 16, 7, 7}}, {}},
                   {1, 16, 1, 1}},
        KernelCase{"FC", {"FC", {}, {{2, 16, 1, 1}, {10, 16}, {10}}, {}}, {2, 10}},
        KernelCase{"FCOfPixels", {"FC", {arg("axis", 2)}, {{2, 3, 16}, {10, 16}, {10}}, {}}, {6, 10}},
        KernelCase{"Softmax", {"Softmax", {}, {{1, 10, 1, 1}}, {}}, {1, 10}}),
    [](const auto& info) { return info.param.name; });

TEST(KernelValueTest, SoftmaxOfRandomInputsSumsToOne) {
  TorchEngine engine(1);
  at::Tensor fp32 = fp32_kernels().at("Softmax")({"Softmax", {}, {{1, 10}}, {}})();
  EXPECT_NEAR(fp32.sum().item<double>(), 1, 1e-5);
  at::Tensor int8 = int8_kernels().at("Int8Softmax")({"Int8Softmax", {}, {{1, 10}}, {}})();
  EXPECT_NEAR(int8.dequantize().sum().item<double>(), 1, 10 * 0.5 / 256);
}

TEST(KernelValueTest, QuantisedImagesAreChannelsLastSoThatNothingIsCopied) {
  TorchEngine engine(1);
  at::Tensor output = int8_kernels().at("Int8Conv")({"Int8Conv", {}, {{1, 8, 9, 16}, {24, 1, 1, 16}}, {}})();
  EXPECT_EQ(output.scalar_type(), at::kQUInt8);
  EXPECT_TRUE(output.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(KernelValueTest, RandomInputsHoldNoDenormals) {
  at::Tensor tensor = random_tensor({1000});
  EXPECT_LE(tensor.abs().max().item<double>(), 1);
  EXPECT_GT(tensor.abs().min().item<double>(), 1e-30);
  EXPECT_LT(tensor.min().item<double>(), 0);
}

}  // namespace
}  // namespace latgrad::profile
