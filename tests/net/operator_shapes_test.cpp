// One shape function after the other, with values that can be checked by hand.

#include <gtest/gtest.h>

#include <cmath>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "one_operator.h"

namespace latgrad::net {
namespace {

using test::f;
using test::i;
using test::ints;
using test::out_shape;
using test::run;
using test::s;
using ::testing::AllOf;
using ::testing::HasSubstr;

#define EXPECT_NET_ERROR(statement, part) LATGRAD_EXPECT_ERROR(statement, NetError, HasSubstr(part))

TEST(ConvTest, ReadsEverySpelling) {
  const std::vector<Shape> kInputs = {{1, 3, 11, 13}, {8, 3, 3, 5}, {8}};
  const std::vector<Argument> kSpellings[] = {
      {ints("kernels", {3, 5}), ints("strides", {2, 3}), ints("pads", {1, 2, 0, 1})},
      {i("kernel_h", 3), i("kernel_w", 5), i("stride_h", 2), i("stride_w", 3), i("pad_t", 1), i("pad_l", 2),
       i("pad_b", 0), i("pad_r", 1), i("dilation_h", 1), i("dilation_w", 1)},
  };
  // (11 + 1 - 3) / 2 + 1 and (13 + 3 - 5) / 3 + 1, rounded down.
  for (const auto& args : kSpellings) EXPECT_EQ(out_shape("Conv", kInputs, args), (Shape{1, 8, 5, 4}));
  EXPECT_EQ(
      out_shape("Conv", {{1, 3, 224, 224}, {16, 3, 3, 3}}, {i("kernel", 3), i("stride", 2), i("pad", 1)}),
      (Shape{1, 16, 112, 112}));
}

TEST(ConvTest, CountsDilation) {
  EXPECT_EQ(out_shape("Conv", {{1, 1, 9, 9}, {1, 1, 3, 3}}, {i("kernel", 3), i("dilation", 2)}),
            (Shape{1, 1, 5, 5}));
  EXPECT_EQ(out_shape("Conv", {{1, 1, 9, 9}, {1, 1, 3, 3}}, {i("kernel", 3), ints("dilations", {4, 1})}),
            (Shape{1, 1, 1, 7}));
}

TEST(ConvTest, KnowsBothOrders) {
  EXPECT_EQ(out_shape("Conv", {{2, 8, 9, 3}, {16, 3, 3, 3}}, {i("kernel", 3), s("order", "NHWC")}),
            (Shape{2, 6, 7, 16}));
  const OpShapes int8 =
      run("Int8ConvRelu", {{1, 8, 8, 4}, {6, 1, 1, 4}, {6}}, {i("kernel", 1), s("order", "NHWC")});
  EXPECT_EQ(int8.outputs[0], (TensorInfo{{1, 8, 8, 6}, DataType::kUint8}));
  EXPECT_NET_ERROR(run("Conv", {{1, 1, 1, 1}, {1, 1, 1, 1}}, {i("kernel", 1), s("order", "CHWN")}),
                   "order must be NCHW or NHWC, got \"CHWN\"");
}

TEST(ConvTest, CountsTheInputsOfAGroupOnly) {
  const OpShapes depthwise =
      run("Conv", {{1, 8, 4, 4}, {8, 1, 3, 3}}, {i("kernel", 3), i("pad", 1), i("group", 8)});
  EXPECT_EQ(depthwise.outputs[0].shape, (Shape{1, 8, 4, 4}));
  EXPECT_EQ(depthwise.macs, 8 * 16 * 9);
  const OpShapes grouped = run("Int8Conv", {{1, 4, 4, 8}, {6, 1, 1, 4}}, {i("kernel", 1), i("group", 2)});
  EXPECT_EQ(grouped.macs, 6 * 16 * 4);
}

TEST(ConvTest, HandlesOneAndThreeSpatialDimensions) {
  EXPECT_EQ(out_shape("Conv1D", {{1, 3, 10}, {4, 3, 3}}, {ints("kernels", {3})}), (Shape{1, 4, 8}));
  EXPECT_EQ(out_shape("Conv3D", {{1, 3, 4, 5, 6}, {4, 3, 2, 2, 2}}, {ints("kernels", {2, 2, 2})}),
            (Shape{1, 4, 3, 4, 5}));
}

TEST(ConvTest, KnowsLegacyPadding) {
  const std::vector<Shape> kInputs = {{1, 1, 7, 7}, {1, 1, 3, 3}};
  EXPECT_EQ(out_shape("Conv", kInputs, {i("kernel", 3), i("stride", 2), i("legacy_pad", 1)}),
            (Shape{1, 1, 3, 3}));
  EXPECT_EQ(out_shape("Conv", kInputs, {i("kernel", 3), i("stride", 2), i("legacy_pad", 2)}),
            (Shape{1, 1, 4, 4}));
  EXPECT_NET_ERROR(run("Conv", kInputs, {i("kernel", 3), i("legacy_pad", 2), i("pad", 1)}),
                   "pads must not be given together with legacy_pad 2");
  EXPECT_NET_ERROR(run("Conv", kInputs, {i("kernel", 3), i("legacy_pad", 2), i("dilation", 2)}),
                   "dilation must be 1 with legacy_pad 2, got 2");
  EXPECT_NET_ERROR(run("Conv", kInputs, {i("kernel", 3), i("legacy_pad", 4)}),
                   "legacy_pad must be 0, 1, 2 or 3, got 4");
}

TEST(ConvTest, RefusesArgumentsOutOfRange) {
  const std::vector<Shape> kInputs = {{1, 4, 5, 5}, {8, 4, 3, 3}, {8}};
  const auto conv = [&](std::vector<Argument> args) { run("Conv", kInputs, std::move(args)); };
  LATGRAD_EXPECT_ERROR(
      conv({i("kernel", 3), i("stride", 0)}), NetError,
      HasSubstr("stride must be positive, got 0 (model.pb, op 0 \"Conv\", blob \"out0\", field \"stride\")"));
  EXPECT_NET_ERROR(conv({i("kernel", 0)}), "kernel must be positive, got 0");
  EXPECT_NET_ERROR(conv({i("kernel", 3), i("dilation", -1)}), "dilation must be positive, got -1");
  EXPECT_NET_ERROR(conv({i("kernel", 3), i("pad", -1)}), "pad must not be negative, got -1");
  EXPECT_NET_ERROR(conv({i("kernel", 3), i("group", 0)}), "group must be positive, got 0");
  EXPECT_NET_ERROR(conv({i("kernel", 3), i("group", 3)}), "group must divide the 4 input channels, got 3");
  EXPECT_NET_ERROR(conv({}), "the argument kernel (or kernels, or kernel_h and kernel_w) must be given");
  EXPECT_NET_ERROR(conv({i("kernel_h", 3)}),
                   "the argument kernel (or kernels, or kernel_h and kernel_w) must");
  EXPECT_NET_ERROR(conv({ints("kernels", {3, 3, 3})}),
                   "one value for each of the 2 spatial dimensions, got [3, 3, 3]");
  EXPECT_NET_ERROR(conv({i("kernel", 3), ints("pads", {1, 1})}),
                   "two values for each of the 2 spatial dimensions");
  EXPECT_NET_ERROR(conv({s("kernel", "3")}), "kernel must be an integer");
  EXPECT_NET_ERROR(conv({i("kernel", 3), i("pad", int64_t{1} << 40)}), "pad must fit in 32 bits");
  LATGRAD_EXPECT_ERROR(run("Conv", {{1, 4, 2, 2}, {8, 4, 3, 3}}, {i("kernel", 3)}), NetError,
                       HasSubstr("(model.pb, op 0 \"Conv\", blob \"out0\")"));
  EXPECT_NET_ERROR(run("Conv", {{1, 4, 2, 2}, {8, 4, 3, 3}}, {i("kernel", 3)}),
                   "the kernel must fit in the padded input, got kernel 3 with dilation 1 on 2 of [2, 2]");
  EXPECT_NET_ERROR(run("Conv", {{4, 2}, {8, 4, 3, 3}}, {i("kernel", 3)}),
                   "at least 3 dimensions, got [4, 2]");
}

TEST(ConvTest, RefusesParametersThatDoNotFit) {
  LATGRAD_EXPECT_ERROR(
      run("Conv", {{1, 4, 5, 5}, {8, 3, 3, 3}}, {i("kernel", 3)}), NetError,
      AllOf(HasSubstr("the weight must have shape [8, 4, 3, 3] for input [1, 4, 5, 5], got [8, 3, 3, 3]"),
            HasSubstr("blob \"in1\"")));
  EXPECT_NET_ERROR(run("Conv", {{1, 4, 5, 5}, {8, 4, 5, 5}}, {i("kernel", 3)}), "got [8, 4, 5, 5]");
  EXPECT_NET_ERROR(run("Conv", {{1, 4, 5, 5}, {8, 4, 3, 3}, {9}}, {i("kernel", 3)}),
                   "the bias must have shape [8]");
  EXPECT_NET_ERROR(run("Conv", {{1, 4, 5, 5}, {8, 4}}, {i("kernel", 3)}), "as many dimensions as the input");
  EXPECT_NET_ERROR(run("Conv", {{1, 4, 5, 5}, {0, 4, 3, 3}}, {i("kernel", 3)}),
                   "must be positive, got [0, 4, 3, 3]");
  EXPECT_NET_ERROR(run("Conv", {{1, 4, 5, 5}, {5, 2, 3, 3}}, {i("kernel", 3), i("group", 2)}),
                   "group must divide the 5 output channels, got 2");
}

TEST(ConvTest, AddsASummandOfTheSameShape) {
  const std::vector<Shape> kInputs = {{1, 4, 4, 3}, {6, 1, 1, 3}, {6}, {1, 4, 4, 6}};
  EXPECT_EQ(out_shape("Int8ConvSumRelu", kInputs, {i("kernel", 1)}), (Shape{1, 4, 4, 6}));
  EXPECT_NET_ERROR(run("Int8ConvSum", {kInputs[0], kInputs[1], kInputs[2], {1, 4, 4, 5}}, {i("kernel", 1)}),
                   "the summand must have the shape of the convolution [1, 4, 4, 6], got [1, 4, 4, 5]");
}

TEST(ConvTransposeTest, InvertsTheConvolution) {
  // (5 - 1) * 2 + 3 + 1 - 1 - 1
  const OpShapes shapes = run("ConvTranspose", {{1, 4, 5, 5}, {4, 6, 3, 3}, {6}},
                              {i("kernel", 3), i("stride", 2), i("pad", 1), i("adj", 1)});
  EXPECT_EQ(shapes.outputs[0].shape, (Shape{1, 6, 10, 10}));
  EXPECT_EQ(shapes.macs, 4 * 25 * 6 * 9);
  EXPECT_EQ(out_shape("ConvTranspose", {{1, 4, 5, 5}, {4, 3, 2, 2}},
                      {i("kernel", 2), i("stride", 2), i("group", 2)}),
            (Shape{1, 6, 10, 10}));
  EXPECT_EQ(run("Int8ConvTranspose", {{1, 5, 5, 4}, {4, 2, 2, 6}, {6}}, {i("kernel", 2), i("stride", 2)})
                .outputs[0],
            (TensorInfo{{1, 10, 10, 6}, DataType::kUint8}));
}

TEST(ConvTransposeTest, RefusesWhatDoesNotFit) {
  const std::vector<Shape> kInputs = {{1, 4, 5, 5}, {4, 6, 3, 3}};
  EXPECT_NET_ERROR(run("ConvTranspose", kInputs, {i("kernel", 3), i("adj", 2)}),
                   "adj must be between 0 and the stride 1");
  EXPECT_NET_ERROR(run("ConvTranspose", kInputs, {i("kernel", 3), i("pad", 9)}),
                   "the pads must leave some output");
  EXPECT_NET_ERROR(run("ConvTranspose", kInputs, {i("kernel", 3), i("legacy_pad", 3)}),
                   "must be 0, 1 or 2, got 3");
  EXPECT_NET_ERROR(run("ConvTranspose", {{1, 4, 5, 5}, {3, 6, 3, 3}}, {i("kernel", 3)}),
                   "the weight must have shape [4, 6, 3, 3]");
}

TEST(PoolTest, RoundsDown) {
  EXPECT_EQ(out_shape("MaxPool", {{1, 3, 7, 8}}, {i("kernel", 2), i("stride", 2)}), (Shape{1, 3, 3, 4}));
  EXPECT_EQ(run("Int8AveragePool", {{1, 7, 7, 64}}, {i("kernel", 7), s("order", "NHWC")}).outputs[0],
            (TensorInfo{{1, 1, 1, 64}, DataType::kUint8}));
}

// Caffe's rule, written down the long way: windows start inside the image or its leading pad.
int64_t caffe_pool_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
  auto count = static_cast<int64_t>(std::ceil(static_cast<double>(size + 2 * pad - kernel) / stride)) + 1;
  if (pad > 0 && (count - 1) * stride >= size + pad) --count;
  return count;
}

TEST(PoolTest, RoundsUpAndClipsForCaffe) {
  const auto pooled = [](int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
    return out_shape("MaxPool", {{1, 1, size, size}},
                     {i("kernel", kernel), i("stride", stride), i("pad", pad), i("legacy_pad", 3)})[2];
  };
  EXPECT_EQ(pooled(112, 3, 2, 0), 56);  // GoogLeNet's first pool: 55.5 rounds up
  EXPECT_EQ(pooled(3, 2, 2, 1), 2);     // a third window would start in the padding
  for (int64_t size = 3; size < 20; ++size) {
    for (int64_t kernel = 1; kernel <= 3; ++kernel) {
      for (int64_t stride = 1; stride <= 4; ++stride) {
        for (int64_t pad = 0; pad < kernel; ++pad) {
          EXPECT_EQ(pooled(size, kernel, stride, pad), caffe_pool_size(size, kernel, stride, pad));
        }
      }
    }
  }
}

TEST(PoolTest, CoversTheImageWithGlobalPooling) {
  EXPECT_EQ(out_shape("AveragePool", {{2, 5, 7, 9}}, {i("global_pooling", 1)}), (Shape{2, 5, 1, 1}));
  EXPECT_EQ(out_shape("Int8MaxPool", {{2, 7, 9, 5}}, {i("global_pooling", 1)}), (Shape{2, 1, 1, 5}));
  EXPECT_NET_ERROR(run("AveragePool", {{2, 5, 7, 9}}, {i("global_pooling", 1), i("stride", 2)}),
                   "global_pooling must have pad 0, stride 1 and dilation 1");
  EXPECT_NET_ERROR(run("AveragePool", {{2, 5, 7, 9}}), "the argument kernel");
}

TEST(PoolTest, SaysWhereTheMaximaWere) {
  EXPECT_EQ(run("MaxPoolWithIndex", {{1, 1, 4, 4}}, {i("kernel", 2)}, 2).outputs[1].shape,
            (Shape{1, 1, 3, 3}));
}

TEST(PadImageTest, AddsAndCuts) {
  EXPECT_EQ(out_shape("PadImage", {{1, 3, 4, 5}}, {ints("pads", {1, 2, 3, 4})}), (Shape{1, 3, 8, 11}));
  EXPECT_EQ(out_shape("PadImage", {{1, 4, 5, 3}}, {i("pad", -1), s("order", "NHWC")}), (Shape{1, 2, 3, 3}));
  EXPECT_NET_ERROR(run("PadImage", {{1, 3, 4, 5}}, {i("pad", -2)}),
                   "negative pads must leave some of the image");
}

TEST(FcTest, FlattensFromTheAxis) {
  const OpShapes shapes = run("FC", {{2, 3, 4, 5}, {7, 60}, {7}});
  EXPECT_EQ(shapes.outputs[0].shape, (Shape{2, 7}));
  EXPECT_EQ(shapes.macs, 2 * 60 * 7);
  EXPECT_EQ(out_shape("FC", {{2, 3, 4, 5}, {7, 20}, {7}}, {i("axis", 2)}), (Shape{2, 3, 7}));
  EXPECT_EQ(out_shape("FC", {{2, 60}, {7, 3, 20}, {7}}), (Shape{2, 7}));
  EXPECT_EQ(out_shape("FC", {{2, 60}, {7, 2, 60}, {14}}, {i("axis_w", 2)}), (Shape{2, 14}));
  EXPECT_EQ(out_shape("FCTransposed", {{2, 60}, {60, 7}, {7}}), (Shape{2, 7}));
  EXPECT_EQ(run("Int8FC", {{1, 1, 1, 64}, {10, 64}, {10}}).outputs[0],
            (TensorInfo{{1, 10}, DataType::kUint8}));
}

TEST(FcTest, RefusesWhatDoesNotFit) {
  LATGRAD_EXPECT_ERROR(run("FC", {{2, 60}, {7, 61}, {7}}), NetError,
                       HasSubstr("the weight must take the 60 features of input [2, 60], got [7, 61]"));
  EXPECT_NET_ERROR(run("FC", {{2, 60}, {7, 60}, {8}}), "the bias must have shape [7]");
  EXPECT_NET_ERROR(run("FC", {{2, 60}, {60}, {8}}), "at least 2 dimensions, got [60]");
  EXPECT_NET_ERROR(run("FC", {{2, 60}, {7, 60}, {7}}, {i("axis", 2)}), "axis must be in [-2, 2), got 2");
}

TEST(MatMulTest, MultipliesMatrices) {
  EXPECT_EQ(out_shape("MatMul", {{2, 3}, {3, 5}}), (Shape{2, 5}));
  EXPECT_EQ(out_shape("MatMul", {{3, 2}, {5, 3}}, {i("trans_a", 1), i("trans_b", 1)}), (Shape{2, 5}));
  EXPECT_EQ(out_shape("MatMul", {{2, 3, 4}, {3, 4, 5}}, {i("axis_b", 2)}), (Shape{2, 5}));
  EXPECT_NET_ERROR(run("MatMul", {{2, 3}, {4, 5}}), "must have 3 rows for the first, got 4 from [4, 5]");
}

TEST(ActivationTest, KeepsShapeAndType) {
  for (const char* type :
       {"Relu", "Clip", "Sigmoid", "Tanh", "Elu", "LeakyRelu", "HardSigmoid", "Swish", "Softmax", "Copy",
        "CopyCPUToGPU", "CopyGPUToCPU", "CopyFromCPUInput", "Alias", "StopGradient", "LRN"}) {
    EXPECT_EQ(run(type, {{1, 2, 3, 4}}).outputs[0], (TensorInfo{{1, 2, 3, 4}, DataType::kFloat})) << type;
  }
  for (const char* type : {"Int8Relu", "Int8LeakyRelu", "Int8Sigmoid", "Int8Softmax", "Int8Tanh"}) {
    EXPECT_EQ(run(type, {{1, 2, 3, 4}}).outputs[0], (TensorInfo{{1, 2, 3, 4}, DataType::kUint8})) << type;
  }
}

TEST(ActivationTest, ChecksTheSlopes) {
  EXPECT_EQ(out_shape("PRelu", {{1, 4, 5, 5}, {4}}), (Shape{1, 4, 5, 5}));
  EXPECT_EQ(out_shape("PRelu", {{1, 4, 5, 5}, {1}}), (Shape{1, 4, 5, 5}));
  EXPECT_NET_ERROR(run("PRelu", {{1, 4, 5, 5}, {5}}), "one for each of the 4 channels, got [5]");
}

TEST(ActivationTest, GivesDropoutItsMask) {
  const OpShapes shapes = run("Dropout", {{2, 3}}, {}, 2);
  EXPECT_EQ(shapes.outputs[0], (TensorInfo{{2, 3}, DataType::kFloat}));
  EXPECT_EQ(shapes.outputs[1], (TensorInfo{{2, 3}, DataType::kBool}));
  EXPECT_EQ(run("Dropout", {{2, 3}}).outputs.size(), 1);
}

TEST(ElementwiseTest, SumsNeedEqualShapes) {
  EXPECT_EQ(out_shape("Sum", {{2, 3}, {2, 3}, {2, 3}}), (Shape{2, 3}));
  for (const char* type : {"Sum", "Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu"}) {
    EXPECT_EQ(out_shape(type, {{2, 3}, {2, 3}}), (Shape{2, 3})) << type;
    LATGRAD_EXPECT_ERROR(run(type, {{2, 3}, {3, 2}}), NetError,
                         AllOf(HasSubstr("got [2, 3] and [3, 2]"), HasSubstr("blob \"in1\"")));
  }
}

TEST(ElementwiseTest, BroadcastsAsNumpy) {
  EXPECT_EQ(out_shape("Add", {{2, 3, 4}, {3, 1}}), (Shape{2, 3, 4}));
  EXPECT_EQ(out_shape("Mul", {{4}, {2, 3, 1}}), (Shape{2, 3, 4}));
  EXPECT_EQ(out_shape("Sub", {{2, 1}, {1, 5}}), (Shape{2, 5}));
  EXPECT_EQ(run("Int8Mul", {{1, 4, 4, 8}, {1, 1, 1, 8}}).outputs[0],
            (TensorInfo{{1, 4, 4, 8}, DataType::kUint8}));
  EXPECT_EQ(out_shape("Div", {{2, 3}, {}}), (Shape{2, 3}));
  EXPECT_NET_ERROR(run("Add", {{2, 3}, {2}}), "the shapes must be equal or broadcast, got [2, 3] and [2]");
}

TEST(ElementwiseTest, BroadcastsAsCaffe2Did) {
  const Shape a = {2, 3, 4, 5};
  EXPECT_EQ(out_shape("Add", {a, {5}}, {i("broadcast", 1)}), a);
  EXPECT_EQ(out_shape("Add", {a, {4, 5}}, {i("broadcast", 1)}), a);
  EXPECT_EQ(out_shape("Mul", {a, {3, 4}}, {i("broadcast", 1), i("axis", 1)}), a);
  EXPECT_EQ(out_shape("Mul", {a, {3}}, {i("broadcast", 1), s("axis_str", "C")}), a);
  EXPECT_EQ(out_shape("Mul", {a, {5}}, {i("broadcast", 1), s("axis_str", "C"), s("order", "NHWC")}), a);
  EXPECT_EQ(out_shape("Mul", {a, {1}}, {i("broadcast", 1)}), a);
  EXPECT_EQ(out_shape("Mul", {a, {1, 3, 1, 1}}, {i("broadcast", 1)}), a);
  EXPECT_NET_ERROR(run("Add", {a, {3}}, {i("broadcast", 1)}), "must match the first from axis 3 on");
  EXPECT_NET_ERROR(run("Add", {a, {5}}, {i("broadcast", 1), i("axis", 4)}),
                   "axis must be between 0 and 3, got 4");
  EXPECT_NET_ERROR(run("Add", {{5}, {4, 5}}, {i("broadcast", 1)}), "not have more dimensions than the first");
  EXPECT_NET_ERROR(run("Add", {a, {5}}, {i("broadcast", 1), s("axis_str", "X")}),
                   "one letter of NCHW, got \"X\"");
}

TEST(ElementwiseTest, ComparesToBool) {
  EXPECT_EQ(run("GT", {{2, 3}, {2, 3}}).outputs[0], (TensorInfo{{2, 3}, DataType::kBool}));
  EXPECT_EQ(out_shape("Pow", {{2, 3}}, {f("exponent", 2)}), (Shape{2, 3}));
}

TEST(ConcatTest, JoinsAlongTheAxis) {
  EXPECT_EQ(out_shape("Concat", {{1, 2, 4, 4}, {1, 3, 4, 4}}), (Shape{1, 5, 4, 4}));
  EXPECT_EQ(out_shape("Concat", {{1, 4, 4, 2}, {1, 4, 4, 3}}, {s("order", "NHWC")}), (Shape{1, 4, 4, 5}));
  EXPECT_EQ(out_shape("Concat", {{1, 2}, {3, 2}}, {i("axis", 0)}), (Shape{4, 2}));
  EXPECT_EQ(out_shape("Concat", {{1, 2}, {1, 3}}, {i("axis", -1)}), (Shape{1, 5}));
  EXPECT_EQ(out_shape("Int8Concat", {{1, 4, 4, 2}, {1, 4, 4, 3}}, {s("order", "NHWC")}), (Shape{1, 4, 4, 5}));
  const OpShapes shapes = run("Concat", {{1, 2, 4, 4}, {1, 3, 4, 4}, {1, 4, 4, 4}}, {}, 2);
  EXPECT_EQ(shapes.outputs[1], (TensorInfo{{3}, DataType::kInt32}));
}

TEST(ConcatTest, AddsAnAxis) {
  EXPECT_EQ(out_shape("Concat", {{2, 3}, {2, 3}}, {i("axis", 1), i("add_axis", 1)}), (Shape{2, 2, 3}));
  EXPECT_EQ(out_shape("Concat", {{2, 3}, {2, 3}}, {i("axis", 2), i("add_axis", 1)}), (Shape{2, 3, 2}));
}

TEST(ConcatTest, RefusesWhatDoesNotFit) {
  EXPECT_NET_ERROR(run("Concat", {{1, 2, 4, 4}, {1, 3, 5, 4}}), "agree in all dimensions but 1");
  EXPECT_NET_ERROR(run("Concat", {{1, 2}, {1, 2, 3}}), "got [1, 2] and [1, 2, 3]");
  EXPECT_NET_ERROR(run("Concat", {{2, 3}, {2, 4}}, {i("axis", 1), i("add_axis", 1)}),
                   "agree in all dimensions, got");
  EXPECT_NET_ERROR(run("Concat", {{1, 2}}, {i("axis", 2)}), "axis must be in [-2, 2), got 2");
}

TEST(SplitTest, CutsEvenlyOrAsTold) {
  const OpShapes even = run("Split", {{1, 6, 2, 2}}, {}, 3);
  for (const TensorInfo& part : even.outputs) EXPECT_EQ(part.shape, (Shape{1, 2, 2, 2}));
  const OpShapes told = run("Split", {{1, 6}}, {i("axis", 1), ints("split", {1, 5})}, 2);
  EXPECT_EQ(told.outputs[0].shape, (Shape{1, 1}));
  EXPECT_EQ(told.outputs[1].shape, (Shape{1, 5}));
  EXPECT_EQ(run("Split", {{3, 2}}, {i("axis", 0), i("add_axis", 1)}, 3).outputs[2].shape, (Shape{2}));
}

TEST(SplitTest, RefusesWhatDoesNotAddUp) {
  EXPECT_NET_ERROR(run("Split", {{1, 5}}, {}, 2), "must split evenly into 2 outputs");
  EXPECT_NET_ERROR(run("Split", {{1, 5}}, {ints("split", {1, 3})}, 2),
                   "must sum up to dimension 1 of [1, 5]");
  EXPECT_NET_ERROR(run("Split", {{1, 5}}, {ints("split", {5})}, 2), "one length for each of the 2 outputs");
  EXPECT_NET_ERROR(run("Split", {{1, 5}}, {ints("split", {-1, 6})}, 2), "split must not be negative");
  EXPECT_NET_ERROR(run("Split", {{1, 4}, {2}}, {}, 2), "known without running the network");
  EXPECT_NET_ERROR(run("Split", {{1, 4}}, {i("add_axis", 1)}, 2), "add_axis must leave length 1, got 2");
}

TEST(SliceTest, CountsFromBothEnds) {
  EXPECT_EQ(out_shape("Slice", {{4, 6}}, {ints("starts", {0, 1}), ints("ends", {-1, -1})}), (Shape{4, 5}));
  EXPECT_EQ(out_shape("Slice", {{4, 6}}, {ints("starts", {1}), ints("ends", {-2})}), (Shape{2, 6}));
  EXPECT_EQ(out_shape("Int8Slice", {{4, 6}}, {ints("starts", {0, 0}), ints("ends", {99, 2})}), (Shape{4, 2}));
  EXPECT_NET_ERROR(run("Slice", {{4, 6}}, {ints("starts", {3}), ints("ends", {1})}),
                   "must not end before it starts");
  EXPECT_NET_ERROR(run("Slice", {{4, 6}}, {ints("starts", {-9}), ints("ends", {1})}),
                   "must not end before it starts");
  EXPECT_NET_ERROR(run("Slice", {{4, 6}}, {ints("starts", {0, 0})}),
                   "starts and ends must have as many values");
  EXPECT_NET_ERROR(run("Slice", {{4, 6}, {2}, {2}}), "known without running the network");
}

TEST(ChannelShuffleTest, ChecksTheGroups) {
  EXPECT_EQ(out_shape("ChannelShuffle", {{1, 6, 2, 2}}, {i("group", 3)}), (Shape{1, 6, 2, 2}));
  EXPECT_EQ(out_shape("Int8ChannelShuffle", {{1, 3, 3, 6}}, {i("group", 2)}), (Shape{1, 3, 3, 6}));
  EXPECT_NET_ERROR(run("ChannelShuffle", {{1, 6, 2, 2}}, {i("group", 4)}),
                   "group must divide the 6 channels");
}

TEST(ResizeTest, ScalesAndRoundsDown) {
  EXPECT_EQ(out_shape("ResizeNearest", {{1, 3, 5, 7}}, {f("height_scale", 2), f("width_scale", 1.5f)}),
            (Shape{1, 3, 10, 10}));
  EXPECT_EQ(out_shape("Int8ResizeNearest", {{1, 5, 7, 3}}, {f("height_scale", 2), f("width_scale", 2)}),
            (Shape{1, 10, 14, 3}));
  EXPECT_EQ(out_shape("UpsampleBilinear", {{1, 3, 5, 7}}, {f("height_scale", 3)}), (Shape{1, 3, 15, 7}));
  EXPECT_NET_ERROR(run("ResizeNearest", {{1, 3, 5, 7}}, {f("height_scale", 0)}),
                   "height_scale must give a size");
  EXPECT_NET_ERROR(run("ResizeNearest", {{1, 3, 5, 7}}, {f("width_scale", NAN)}),
                   "width_scale must give a size");
  EXPECT_NET_ERROR(run("ResizeNearest", {{1, 3, 5, 7}}, {f("width_scale", 1e30f)}),
                   "width_scale must give a size");
  EXPECT_NET_ERROR(run("ResizeNearest", {{1, 3, 5}}), "at least 4 dimensions");
}

TEST(ResizeTest, RepeatsPixels) {
  EXPECT_EQ(out_shape("UpsampleNearest", {{1, 3, 5, 7}}), (Shape{1, 3, 10, 14}));
  EXPECT_EQ(out_shape("UpsampleNearest", {{3, 5, 7}}, {i("scale", 3)}), (Shape{3, 15, 21}));
  EXPECT_NET_ERROR(run("UpsampleNearest", {{1, 3, 5, 7}}, {i("scale", 0)}), "scale must be positive, got 0");
}

TEST(ReshapeTest, TakesTheShapeOfAnother) {
  EXPECT_EQ(out_shape("ResizeLike", {{2, 6}, {3, 4}}), (Shape{3, 4}));
  EXPECT_NET_ERROR(run("ResizeLike", {{2, 6}, {3, 5}}), "as many elements, got [2, 6] and [3, 5]");
}

TEST(ReshapeTest, CutsAndMergesTheFirstDimension) {
  EXPECT_EQ(out_shape("PrependDim", {{6, 5}}, {i("dim_size", 2)}), (Shape{2, 3, 5}));
  EXPECT_EQ(out_shape("MergeDim", {{2, 3, 5}}), (Shape{6, 5}));
  EXPECT_NET_ERROR(run("PrependDim", {{6, 5}}, {i("dim_size", 4)}), "divide the first dimension of [6, 5]");
  EXPECT_NET_ERROR(run("PrependDim", {{6, 5}}), "dim_size must be positive");
  EXPECT_NET_ERROR(run("MergeDim", {{6}}), "at least 2 dimensions, got [6]");
}

TEST(ReshapeTest, FillsZerosAndTheOpenDimension) {
  EXPECT_EQ(out_shape("Reshape", {{2, 3, 4}}, {ints("shape", {0, -1})}), (Shape{2, 12}));
  EXPECT_EQ(out_shape("Reshape", {{2, 3, 4}}, {ints("shape", {4, 0, 2})}), (Shape{4, 3, 2}));
  EXPECT_EQ(out_shape("Int8Reshape", {{2, 3, 4}}, {ints("shape", {24})}), (Shape{24}));
  EXPECT_EQ(run("Reshape", {{2, 3, 4}}, {ints("shape", {-1})}, 2).outputs[1],
            (TensorInfo{{3}, DataType::kInt64}));
}

TEST(ReshapeTest, RefusesWhatDoesNotFit) {
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}}, {ints("shape", {4, -1})}), "shape must hold the 6 elements");
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}}, {ints("shape", {7})}), "shape must hold the 6 elements");
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}}, {ints("shape", {-1, -1})}), "no negative values but one -1");
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}}, {ints("shape", {-2, 3})}), "no negative values but one -1");
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}}, {ints("shape", {2, 3, 0})}),
                   "a 0 in shape must stand for a dimension");
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}}), "the argument shape must be given");
  EXPECT_NET_ERROR(run("Reshape", {{2, 3}, {2}}), "known without running the network");
}

TEST(ReshapeTest, Flattens) {
  EXPECT_EQ(out_shape("Flatten", {{2, 3, 4}}), (Shape{2, 12}));
  EXPECT_EQ(out_shape("Flatten", {{2, 3, 4}}, {i("axis", 0)}), (Shape{1, 24}));
  EXPECT_EQ(out_shape("Int8Flatten", {{2, 3, 4}}, {i("axis", 3)}), (Shape{24, 1}));
  EXPECT_EQ(out_shape("FlattenToVec", {{2, 3, 4}}), (Shape{24}));
  EXPECT_NET_ERROR(run("Flatten", {{2, 3, 4}}, {i("axis", 4)}),
                   "axis must be between 0 and the 3 dimensions");
}

TEST(ReshapeTest, SqueezesAndExpands) {
  EXPECT_EQ(out_shape("Squeeze", {{1, 5, 1}}, {ints("dims", {2, 0, 2})}), (Shape{5}));
  EXPECT_EQ(out_shape("ExpandDims", {{5}}, {ints("dims", {2, 0})}), (Shape{1, 5, 1}));
  EXPECT_NET_ERROR(run("Squeeze", {{1, 5, 1}}, {ints("dims", {1})}),
                   "must be 1, got dimension 1 of [1, 5, 1]");
  EXPECT_NET_ERROR(run("Squeeze", {{1, 5, 1}}, {ints("dims", {3})}), "dims must be in [0, 3)");
  EXPECT_NET_ERROR(run("ExpandDims", {{5}}, {ints("dims", {2})}), "dims must be in [0, 2)");
  EXPECT_NET_ERROR(run("ExpandDims", {{5}}, {ints("dims", {2, 2})}), "dims must leave no gap");
  EXPECT_NET_ERROR(run("ExpandDims", {{5}}), "dims must be given");
}

TEST(ReshapeTest, Transposes) {
  EXPECT_EQ(out_shape("Transpose", {{2, 3, 4}}), (Shape{4, 3, 2}));
  EXPECT_EQ(out_shape("Int8Transpose", {{2, 3, 4}}, {ints("axes", {1, 0, 2})}), (Shape{3, 2, 4}));
  EXPECT_NET_ERROR(run("Transpose", {{2, 3, 4}}, {ints("axes", {0, 0, 2})}), "axes must be a permutation");
  EXPECT_NET_ERROR(run("Transpose", {{2, 3, 4}}, {ints("axes", {0, 1})}), "axes must be a permutation");
}

TEST(LayoutTest, MovesTheChannelsAndKeepsTheType) {
  EXPECT_EQ(out_shape("NCHW2NHWC", {{1, 3, 4, 5}}), (Shape{1, 4, 5, 3}));
  EXPECT_EQ(out_shape("NHWC2NCHW", {{1, 4, 5, 3}}), (Shape{1, 3, 4, 5}));
  Net net = test::one_operator("NCHW2NHWC", {{{1, 3, 4, 5}, DataType::kUint8}});
  EXPECT_EQ(infer_shapes(net).ops[0].outputs[0].dtype, DataType::kUint8);
}

TEST(ConvertTest, ChangesTheTypeAlone) {
  EXPECT_EQ(run("Int8Quantize", {{1, 2}}).outputs[0], (TensorInfo{{1, 2}, DataType::kUint8}));
  EXPECT_EQ(run("Int8Dequantize", {{1, 2}}).outputs[0], (TensorInfo{{1, 2}, DataType::kFloat}));
  EXPECT_EQ(run("Cast", {{1, 2}}, {i("to", 10)}).outputs[0], (TensorInfo{{1, 2}, DataType::kInt64}));
  EXPECT_EQ(run("Cast", {{1, 2}}, {s("to", "int32")}).outputs[0], (TensorInfo{{1, 2}, DataType::kInt32}));
  EXPECT_EQ(run("FloatToHalf", {{2}}).outputs[0].dtype, DataType::kFloat16);
  EXPECT_NET_ERROR(run("Cast", {{1, 2}}), "Cast must have an argument to");
  EXPECT_NET_ERROR(run("Cast", {{1, 2}}, {i("to", 11)}), "Cast must have an argument to");
}

TEST(NormaliseTest, HasOneParameterForEachChannel) {
  const std::vector<Shape> kInputs = {{2, 4, 5, 5}, {4}, {4}, {4}, {4}};
  EXPECT_EQ(out_shape("SpatialBN", kInputs), (Shape{2, 4, 5, 5}));
  const OpShapes training = run("SpatialBN", kInputs, {}, 5);
  for (size_t k = 1; k < 5; ++k) EXPECT_EQ(training.outputs[k].shape, (Shape{4}));
  EXPECT_EQ(out_shape("SpatialBN", {{2, 5, 5, 4}, {4}, {4}, {4}, {4}}, {s("order", "NHWC")}),
            (Shape{2, 5, 5, 4}));
  for (const char* type : {"Int8SpatialBN", "Int8SpatialBNRelu"}) {
    EXPECT_EQ(run(type, {{2, 5, 5, 4}, {4}, {4}, {4}, {4}}).outputs[0],
              (TensorInfo{{2, 5, 5, 4}, DataType::kUint8}))
        << type;
  }
  EXPECT_EQ(out_shape("AffineChannel", {{2, 4, 5, 5}, {4}, {4}}), (Shape{2, 4, 5, 5}));
  EXPECT_EQ(run("InstanceNorm", {{2, 4, 5, 5}, {4}, {4}}, {}, 3).outputs[1].shape, (Shape{2, 4}));
  EXPECT_NET_ERROR(run("SpatialBN", {{2, 4, 5, 5}, {4}, {4}, {5}, {4}}), "blob \"in3\"");
}

TEST(NormaliseTest, KnowsGroupsAndLayers) {
  const OpShapes group = run("GroupNorm", {{2, 6, 5, 5}, {6}, {6}}, {i("group", 3)}, 3);
  EXPECT_EQ(group.outputs[0].shape, (Shape{2, 6, 5, 5}));
  EXPECT_EQ(group.outputs[1].shape, (Shape{2, 3}));
  EXPECT_EQ(out_shape("Int8GroupNorm", {{2, 5, 5, 6}, {6}, {6}}, {i("group", 3)}), (Shape{2, 5, 5, 6}));
  EXPECT_NET_ERROR(run("GroupNorm", {{2, 6, 5, 5}, {6}, {6}}), "divide the 6 channels, got 32");
  const OpShapes layer = run("LayerNorm", {{2, 6, 5}, {5}, {5}}, {i("axis", -1)}, 3);
  EXPECT_EQ(layer.outputs[0].shape, (Shape{2, 6, 5}));
  EXPECT_EQ(layer.outputs[1].shape, (Shape{2, 6, 1}));
  EXPECT_EQ(run("LayerNorm", {{2, 6, 5}}, {}, 3).outputs[2].shape, (Shape{2, 1}));
  EXPECT_NET_ERROR(run("LayerNorm", {{2, 6, 5}, {5}, {5}}, {}, 3), "must have shape [6, 5]");
}

TEST(NormaliseTest, DeducesItsParameters) {
  Net net = test::one_operator("SpatialBN", test::infos("SpatialBN", {{2, 4, 5, 5}, {4}, {4}, {4}, {4}}));
  net.parameters.clear();
  EXPECT_EQ(infer_shapes(net).ops[0].inputs[4], (TensorInfo{{4}, DataType::kFloat}));
}

TEST(ReduceTest, KeepsOrDropsTheReducedDimensions) {
  EXPECT_EQ(out_shape("ReduceMean", {{2, 3, 4, 5}}, {ints("axes", {2, 3})}), (Shape{2, 3, 1, 1}));
  EXPECT_EQ(out_shape("ReduceMean", {{2, 3, 4, 5}}, {ints("axes", {-1, 2}), i("keepdims", 0)}),
            (Shape{2, 3}));
  EXPECT_EQ(out_shape("ReduceSum", {{2, 3}}), (Shape{1, 1}));
  EXPECT_EQ(out_shape("ReduceMax", {{2, 3}}, {i("keepdims", 0)}), (Shape{}));
  EXPECT_EQ(out_shape("ReduceFrontMean", {{2, 3, 4}}), (Shape{3, 4}));
  EXPECT_EQ(out_shape("ReduceBackMean", {{2, 3, 4}}, {i("num_reduce_dim", 2)}), (Shape{2}));
  EXPECT_NET_ERROR(run("ReduceMean", {{2, 3}}, {ints("axes", {2})}), "axes must be in [-2, 2), got 2");
  EXPECT_NET_ERROR(run("ReduceBackSum", {{2, 3}}, {i("num_reduce_dim", 3)}),
                   "num_reduce_dim must be between 0 and 2");
}

TEST(FillTest, FillsInsideTheNetwork) {
  Net net;
  net.ops.resize(1);
  net.ops[0].type = "Int8GivenTensorFill";
  net.ops[0].outputs = {"w"};
  net.ops[0].args = {ints("shape", {2, 3})};
  EXPECT_EQ(infer_shapes(net).blobs.at("w"), (TensorInfo{{2, 3}, DataType::kUint8}));
  EXPECT_EQ(out_shape("ConstantFill", {{2, 3}}, {ints("extra_shape", {4})}), (Shape{2, 3, 4}));
  EXPECT_NET_ERROR(run("ConstantFill", {{2, 3}}, {ints("shape", {4})}),
                   "from an input or from the argument shape");
  EXPECT_NET_ERROR(run("ConstantFill", {{2}}, {i("input_as_shape", 1)}), "known without running the network");
}

}  // namespace
}  // namespace latgrad::net
