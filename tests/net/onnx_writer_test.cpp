// Networks written as ONNX: what is read back is the same operators, type by type and of published networks.

#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/onnx.h"
#include "latgrad/net/read_net.h"
#include "latgrad/net/registry.h"
#include "onnx_model.h"
#include "onnx_node.h"
#include "onnx_types.h"
#include "ops/writing_rows.h"
#include "shared_data.h"

namespace latgrad::net::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

onnx::ModelProto parsed(const std::string& bytes) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  return model;
}

std::vector<std::string> node_types(const onnx::ModelProto& model) {
  std::vector<std::string> types;
  for (const onnx::NodeProto& node : model.graph().node()) types.push_back(node.op_type());
  return types;
}

struct Example {
  const char* op;  // a NetDef's operator without its braces
  std::map<std::string, Shape> inputs;
  std::map<std::string, Shape> parameters = {};
  const char* read_back = "";  // the types; empty: the operator itself
};

void PrintTo(const Example& example, std::ostream* out) { *out << example.op; }

Net net_of(const Example& example) {
  Net net = parse_netdef_text("op { " + std::string(example.op) + " }", "example");
  for (const auto& [name, shape] : example.inputs) {
    const bool is_index = name == "indices";
    net.inputs[name] = {shape, is_index          ? DataType::kInt64
                               : name == "flags" ? DataType::kBool
                                                 : DataType::kFloat};
  }
  for (const auto& [name, shape] : example.parameters) net.parameters[name] = {shape, DataType::kFloat};
  net.external_outputs = net.ops[0].outputs;
  return net;
}

const std::map<std::string, Shape> kImage = {{"x", {2, 6, 9, 8}}};
const std::map<std::string, Shape> kTwoImages = {{"x", {2, 6, 9, 8}}, {"z", {2, 6, 9, 8}}};
const std::map<std::string, Shape> kMatrix = {{"x", {4, 10}}};
const std::map<std::string, Shape> kTwoFlags = {{"flags", {4, 10}}};
const std::map<std::string, Shape> kChannels = {{"scale", {6}}, {"bias", {6}}, {"mean", {6}}, {"var", {6}}};

// One for each type that the writer has, and more where arguments change what is written.
const Example kExamples[] = {
    {"type: 'Abs' input: 'x' output: 'y'", kImage},
    {"type: 'Add' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'Add' input: 'x' input: 'b' output: 'y' arg { name: 'broadcast' i: 1 } arg { name: 'axis' i: 1 }",
     kImage,
     {{"b", {6}}},
     "Add"},
    {"type: 'Add' input: 'x' input: 'b' output: 'y' arg { name: 'broadcast' i: 1 }",
     kImage,
     {{"b", {9, 8}}},
     "Add"},
    {"type: 'AffineChannel' input: 'x' input: 'scale' input: 'bias' output: 'y'", kImage, kChannels,
     "Mul, Add"},
    {"type: 'Alias' input: 'x' output: 'y'", kImage, {}, "none"},
    {"type: 'And' input: 'flags' input: 'flags' output: 'y'", kTwoFlags},
    {"type: 'ArgMax' input: 'x' output: 'y' arg { name: 'axis' i: 1 } arg { name: 'keepdims' i: 0 }", kImage},
    {"type: 'ArgMin' input: 'x' output: 'y'", kImage},
    {"type: 'AveragePool' input: 'x' output: 'y' arg { name: 'kernel' i: 3 } arg { name: 'stride' i: 2 }",
     kImage},
    {"type: 'AveragePool' input: 'x' output: 'y' arg { name: 'global_pooling' i: 1 }", kImage},
    {"type: 'AveragePool' input: 'x' output: 'y' arg { name: 'kernel' i: 3 } arg { name: 'pad' i: 1 } "
     "arg { name: 'count_include_pad' i: 1 }",
     kImage},
    {"type: 'AveragePool1D' input: 'x' output: 'y' arg { name: 'kernel' i: 3 }",
     {{"x", {2, 6, 9}}},
     {},
     "AveragePool"},
    {"type: 'AveragePool2D' input: 'x' output: 'y' arg { name: 'kernel' i: 3 }", kImage, {}, "AveragePool"},
    {"type: 'AveragePool3D' input: 'x' output: 'y' arg { name: 'kernels' ints: [2, 2, 2] }",
     {{"x", {2, 6, 4, 9, 8}}},
     {},
     "AveragePool"},
    {"type: 'BatchMatMul' input: 'x' input: 'z' output: 'y' arg { name: 'trans_b' i: 1 }",
     kTwoImages,
     {},
     "Transpose, BatchMatMul"},
    {"type: 'Cast' input: 'x' output: 'y' arg { name: 'to' i: 10 }", kImage},
    {"type: 'Ceil' input: 'x' output: 'y'", kImage},
    {"type: 'ChannelShuffle' input: 'x' output: 'y' arg { name: 'group' i: 3 } arg { name: 'kernel' i: 1 }",
     kImage},
    {"type: 'Clip' input: 'x' output: 'y' arg { name: 'min' f: 0 } arg { name: 'max' f: 6 }", kImage},
    {"type: 'Clip' input: 'x' output: 'y' arg { name: 'max' f: 6 }", kImage},
    {"type: 'Clip' input: 'x' output: 'y'", kImage},
    {"type: 'Concat' input: 'x' input: 'z' output: 'y' arg { name: 'axis' i: 2 }", kTwoImages},
    {"type: 'Conv' input: 'x' input: 'w' input: 'b' output: 'y' arg { name: 'kernel' i: 3 } arg { name: "
     "'stride' i: 2 } "
     "arg { name: 'pad' i: 1 } arg { name: 'group' i: 2 }",
     kImage,
     {{"w", {4, 3, 3, 3}}, {"b", {4}}}},
    {"type: 'Conv' input: 'x' input: 'w' output: 'y' arg { name: 'kernel' i: 3 } arg { name: 'legacy_pad' i: "
     "2 } "
     "arg { name: 'exhaustive_search' i: 1 }",
     kImage,
     {{"w", {4, 6, 3, 3}}},
     "Conv"},
    {"type: 'Conv1D' input: 'x' input: 'w' output: 'y' arg { name: 'kernel' i: 3 }",
     {{"x", {2, 6, 9}}},
     {{"w", {4, 6, 3}}},
     "Conv"},
    {"type: 'Conv2D' input: 'x' input: 'w' output: 'y' arg { name: 'kernel' i: 3 }",
     kImage,
     {{"w", {4, 6, 3, 3}}},
     "Conv"},
    {"type: 'Conv3D' input: 'x' input: 'w' output: 'y' arg { name: 'kernels' ints: [2, 2, 2] }",
     {{"x", {2, 6, 4, 9, 8}}},
     {{"w", {4, 6, 2, 2, 2}}},
     "Conv"},
    {"type: 'ConvRelu' input: 'x' input: 'w' output: 'y' arg { name: 'kernel' i: 3 }",
     kImage,
     {{"w", {4, 6, 3, 3}}},
     "Conv, Relu"},
    {"type: 'ConvTranspose' input: 'x' input: 'w' output: 'y' arg { name: 'kernel' i: 3 } arg { name: "
     "'stride' i: 2 } "
     "arg { name: 'adj' i: 1 } arg { name: 'pad' i: 1 }",
     kImage,
     {{"w", {6, 4, 3, 3}}}},
    {"type: 'Copy' input: 'x' output: 'y'", kImage, {}, "none"},
    {"type: 'Celu' input: 'x' output: 'y' arg { name: 'alpha' f: 0.5 }", kImage},
    {"type: 'Cos' input: 'x' output: 'y'", kImage},
    {"type: 'CumSum' input: 'x' output: 'y' arg { name: 'axis' i: 1 } arg { name: 'reverse' i: 1 }", kImage},
    {"type: 'DepthConcat' input: 'x' input: 'z' output: 'y'", kTwoImages, {}, "Concat"},
    {"type: 'DepthSplit' input: 'x' output: 'y' output: 'y2'", kImage, {}, "Split"},
    {"type: 'DepthToSpace' input: 'x' output: 'y' arg { name: 'blocksize' i: 2 }", {{"x", {2, 8, 4, 4}}}},
    {"type: 'Div' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'Dropout' input: 'x' output: 'y' arg { name: 'is_test' i: 1 }", kImage, {}, "none"},
    {"type: 'EQ' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'Elu' input: 'x' output: 'y' arg { name: 'alpha' f: 0.5 }", kImage},
    {"type: 'Erf' input: 'x' output: 'y'", kImage},
    {"type: 'Exp' input: 'x' output: 'y'", kImage},
    {"type: 'Expand' input: 'x' output: 'y' arg { name: 'shape' ints: [3, 2, 6, 9, 8] }", kImage},
    {"type: 'ExpandDims' input: 'x' output: 'y' arg { name: 'dims' ints: [0, 3] }", kImage},
    {"type: 'FC' input: 'x' input: 'w' input: 'b' output: 'y'", kMatrix, {{"w", {5, 10}}, {"b", {5}}}},
    {"type: 'FC' input: 'x' input: 'w' input: 'b' output: 'y'", kImage, {{"w", {5, 432}}, {"b", {5}}}},
    {"type: 'FC' input: 'x' input: 'w' input: 'b' output: 'y' arg { name: 'axis' i: 3 }",
     kImage,
     {{"w", {5, 8}}, {"b", {5}}},
     "Flatten, FC, Reshape"},
    {"type: 'FCTransposed' input: 'x' input: 'w' input: 'b' output: 'y'",
     kMatrix,
     {{"w", {10, 5}}, {"b", {5}}}},
    {"type: 'Flatten' input: 'x' output: 'y' arg { name: 'axis' i: 2 }", kImage},
    {"type: 'FlattenToVec' input: 'x' output: 'y'", kImage, {}, "Reshape"},
    {"type: 'FloatToHalf' input: 'x' output: 'y'", kImage, {}, "Cast"},
    {"type: 'Floor' input: 'x' output: 'y'", kImage},
    {"type: 'GE' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'GT' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'Gather' input: 'x' input: 'indices' output: 'y' arg { name: 'axis' i: 1 }",
     {{"x", {2, 6, 9, 8}}, {"indices", {3}}}},
    {"type: 'GatherElements' input: 'x' input: 'indices' output: 'y' arg { name: 'axis' i: 1 }",
     {{"x", {2, 6, 9}}, {"indices", {2, 3, 9}}}},
    {"type: 'GatherND' input: 'x' input: 'indices' output: 'y' arg { name: 'batch_dims' i: 1 }",
     {{"x", {2, 6, 9}}, {"indices", {2, 3, 1}}}},
    {"type: 'Gelu' input: 'x' output: 'y' arg { name: 'fast_gelu' i: 1 }", kImage},
    {"type: 'GroupNorm' input: 'x' input: 'scale' input: 'bias' output: 'y' arg { name: 'group' i: 3 } "
     "arg { name: 'is_test' i: 1 }",
     kImage, kChannels},
    {"type: 'HalfToFloat' input: 'x' output: 'y'", kImage, {}, "none"},
    {"type: 'HardSigmoid' input: 'x' output: 'y'", kImage},
    {"type: 'HardSwish' input: 'x' output: 'y'", kImage},
    {"type: 'InstanceNorm' input: 'x' input: 'scale' input: 'bias' output: 'y'", kImage, kChannels},
    {"type: 'LE' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'LRN' input: 'x' output: 'y' arg { name: 'size' i: 3 } arg { name: 'alpha' f: 1 } "
     "arg { name: 'beta' f: 0.5 }",
     kImage},
    {"type: 'LT' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'LayerNormalization' input: 'x' input: 'w' output: 'y'", kImage, {{"w", {8}}}},
    {"type: 'LeakyRelu' input: 'x' output: 'y' arg { name: 'alpha' f: 0.2 }", kImage},
    {"type: 'Log' input: 'x' output: 'y'", kImage},
    {"type: 'LogSoftmax' input: 'x' output: 'y' arg { name: 'axis' i: 3 }", kImage},
    {"type: 'LpPool' input: 'x' output: 'y' arg { name: 'kernel' i: 3 }", kImage},
    {"type: 'MatMul' input: 'x' input: 'w' output: 'y'", kMatrix, {{"w", {10, 5}}}},
    {"type: 'MatMul' input: 'x' input: 'w' output: 'y' arg { name: 'trans_b' i: 1 }",
     kMatrix,
     {{"w", {5, 10}}}},
    {"type: 'Max' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'MaxPool' input: 'x' output: 'y' arg { name: 'kernel' i: 3 } arg { name: 'stride' i: 2 } "
     "arg { name: 'legacy_pad' i: 3 }",
     kImage,
     {},
     "MaxPool"},
    {"type: 'MaxPool1D' input: 'x' output: 'y' arg { name: 'kernel' i: 3 }",
     {{"x", {2, 6, 9}}},
     {},
     "MaxPool"},
    {"type: 'MaxPool2D' input: 'x' output: 'y' arg { name: 'kernel' i: 3 }", kImage, {}, "MaxPool"},
    {"type: 'MaxPool3D' input: 'x' output: 'y' arg { name: 'kernels' ints: [2, 2, 2] }",
     {{"x", {2, 6, 4, 9, 8}}},
     {},
     "MaxPool"},
    {"type: 'MaxPoolWithIndex' input: 'x' output: 'y' output: 'y2' arg { name: 'kernel' i: 3 }", kImage},
    {"type: 'Mean' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'MergeDim' input: 'x' output: 'y'", kImage, {}, "Reshape"},
    {"type: 'Min' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'Mish' input: 'x' output: 'y'", kImage},
    {"type: 'Mod' input: 'x' output: 'y' arg { name: 'divisor' i: 3 }", kImage},
    {"type: 'Mul' input: 'x' input: 'w' output: 'y'", kImage, {{"w", {8}}}},
    {"type: 'NE' input: 'x' input: 'z' output: 'y'", kTwoImages, {}, "EQ, Not"},
    {"type: 'Negative' input: 'x' output: 'y'", kImage},
    {"type: 'Normalize' input: 'x' output: 'y' arg { name: 'axis' i: 1 }", kImage, {}, "Normalize"},
    {"type: 'Not' input: 'flags' output: 'y'", kTwoFlags},
    {"type: 'Or' input: 'flags' input: 'flags' output: 'y'", kTwoFlags},
    {"type: 'PRelu' input: 'x' input: 'w' output: 'y'", kImage, {{"w", {6}}}},
    {"type: 'PRelu' input: 'x' input: 'w' output: 'y'", kImage, {{"w", {1}}}},
    {"type: 'Pad' input: 'x' output: 'y' arg { name: 'pads' ints: [1, 0, 0, 0, 0, 2, 0, 0] }", kImage},
    {"type: 'PadImage' input: 'x' output: 'y' arg { name: 'pads' ints: [1, 2, 3, 4] } arg { name: 'mode' s: "
     "'reflect' }",
     kImage},
    {"type: 'PadImage' input: 'x' output: 'y' arg { name: 'pad' i: 1 } arg { name: 'value' f: 2 }", kImage},
    {"type: 'Pow' input: 'x' output: 'y' arg { name: 'exponent' f: 2 }", kImage},
    {"type: 'Pow' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'PrependDim' input: 'x' output: 'y' arg { name: 'dim_size' i: 2 }", kImage, {}, "Reshape"},
    {"type: 'RMSNormalization' input: 'x' input: 'w' output: 'y'", kImage, {{"w", {8}}}},
    {"type: 'Reciprocal' input: 'x' output: 'y'", kImage},
    {"type: 'ReduceL1' input: 'x' output: 'y'", kImage},
    {"type: 'ReduceL2' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'ReduceLogSumExp' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'ReduceMax' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'ReduceMean' input: 'x' output: 'y' arg { name: 'axes' ints: [2, 3] } arg { name: 'keepdims' i: "
     "0 }",
     kImage},
    {"type: 'ReduceMin' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'ReduceProd' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'ReduceSum' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'ReduceSumSquare' input: 'x' output: 'y' arg { name: 'axes' ints: [1] }", kImage},
    {"type: 'Relu' input: 'x' output: 'y'", kImage},
    {"type: 'Relu6' input: 'x' output: 'y'", kImage, {}, "Clip"},
    {"type: 'Reshape' input: 'x' output: 'y' arg { name: 'shape' ints: [2, 432] }", kImage},
    {"type: 'Resize' input: 'x' output: 'y' arg { name: 'mode' s: 'cubic' } arg { name: 'sizes' ints: [2, 6, "
     "18, 16] }",
     kImage},
    {"type: 'ResizeLike' input: 'x' input: 'z' output: 'y'",
     {{"x", {2, 6, 9, 8}}, {"z", {2, 432}}},
     {},
     "Reshape"},
    {"type: 'ResizeNearest' input: 'x' output: 'y' arg { name: 'height_scale' f: 2 } arg { name: "
     "'width_scale' f: 2 }",
     kImage},
    {"type: 'Round' input: 'x' output: 'y'", kImage},
    {"type: 'Rsqrt' input: 'x' output: 'y'", kImage, {}, "Sqrt, Reciprocal"},
    {"type: 'Scale' input: 'x' output: 'y' arg { name: 'scale' f: 2 }", kImage, {}, "Mul"},
    {"type: 'ScatterElements' input: 'x' input: 'indices' input: 'u' output: 'y' arg { name: 'axis' i: 1 }",
     {{"x", {2, 6, 9}}, {"indices", {2, 3, 9}}, {"u", {2, 3, 9}}}},
    {"type: 'ScatterND' input: 'x' input: 'indices' input: 'u' output: 'y' arg { name: 'reduction' s: 'add' "
     "}",
     {{"x", {2, 6, 9}}, {"indices", {3, 1}}, {"u", {3, 6, 9}}}},
    {"type: 'Selu' input: 'x' output: 'y'", kImage},
    {"type: 'Shape' input: 'x' output: 'y'", kImage, {}, "none"},
    {"type: 'Sigmoid' input: 'x' output: 'y'", kImage},
    {"type: 'Sign' input: 'x' output: 'y'", kImage},
    {"type: 'Sin' input: 'x' output: 'y'", kImage},
    {"type: 'Size' input: 'x' output: 'y'", kImage, {}, "none"},
    {"type: 'Slice' input: 'x' output: 'y' arg { name: 'starts' ints: [0, 1, 0, 2] } arg { name: 'ends' "
     "ints: [-1, 4, -2, -1] }",
     kImage,
     {},
     "Slice"},
    {"type: 'Slice' input: 'x' output: 'y' arg { name: 'starts' ints: [0, 0] } arg { name: 'ends' ints: [2, "
     "6] } "
     "arg { name: 'steps' ints: [1, -2] }",
     kImage,
     {},
     "Slice"},
    {"type: 'Softmax' input: 'x' output: 'y'", kMatrix},
    {"type: 'Softmax' input: 'x' output: 'y'", kImage, {}, "Flatten, Softmax, Reshape"},
    {"type: 'Softplus' input: 'x' output: 'y'", kImage},
    {"type: 'Softsign' input: 'x' output: 'y'", kImage},
    {"type: 'SpaceToDepth' input: 'x' output: 'y' arg { name: 'blocksize' i: 2 }", {{"x", {2, 2, 4, 4}}}},
    {"type: 'SpatialBN' input: 'x' input: 'scale' input: 'bias' input: 'mean' input: 'var' output: 'y' "
     "arg { name: 'is_test' i: 1 } arg { name: 'epsilon' f: 0.001 }",
     kImage, kChannels},
    {"type: 'Split' input: 'x' output: 'y' output: 'y2' arg { name: 'axis' i: 1 } arg { name: 'split' ints: "
     "[2, 4] }",
     kImage},
    {"type: 'Sqr' input: 'x' output: 'y'", kImage, {}, "Mul"},
    {"type: 'Sqrt' input: 'x' output: 'y'", kImage},
    {"type: 'Squeeze' input: 'x' output: 'y' arg { name: 'dims' ints: [0, 2] }", {{"x", {1, 6, 1, 8}}}},
    {"type: 'StopGradient' input: 'x' output: 'y'", kImage, {}, "none"},
    {"type: 'Sub' input: 'x' input: 'z' output: 'y'", kTwoImages},
    {"type: 'Sum' input: 'x' input: 'z' input: 'x' output: 'y'", kTwoImages},
    {"type: 'Swish' input: 'x' output: 'y'", kImage},
    {"type: 'Tanh' input: 'x' output: 'y'", kImage},
    {"type: 'ThresholdedRelu' input: 'x' output: 'y' arg { name: 'alpha' f: 0.5 }", kImage},
    {"type: 'Tile' input: 'x' output: 'y' arg { name: 'tiles' i: 3 } arg { name: 'axis' i: 1 }", kImage},
    {"type: 'Trilu' input: 'x' output: 'y' arg { name: 'upper' i: 0 } arg { name: 'k' i: -1 }", kImage},
    {"type: 'TopK' input: 'x' output: 'y' output: 'y2' arg { name: 'k' i: 3 }", kImage},
    {"type: 'Transpose' input: 'x' output: 'y' arg { name: 'axes' ints: [0, 2, 3, 1] }", kImage},
    {"type: 'Transpose' input: 'x' output: 'y'", kImage, {}, "Transpose"},
    {"type: 'UpsampleBilinear' input: 'x' output: 'y' arg { name: 'height_scale' f: 2 } "
     "arg { name: 'width_scale' f: 2 }",
     kImage},
    {"type: 'UpsampleNearest' input: 'x' output: 'y' arg { name: 'scale' i: 3 }",
     kImage,
     {},
     "ResizeNearest"},
    {"type: 'Where' input: 'flags' input: 'x' input: 'z' output: 'y'",
     {{"flags", {4, 10}}, {"x", {4, 10}}, {"z", {4, 10}}}},
    {"type: 'Xor' input: 'flags' input: 'flags' output: 'y'", kTwoFlags},
};

class WriterExampleTest : public testing::TestWithParam<Example> {};

TEST_P(WriterExampleTest, IsReadBackWithItsShapes) {
  const Example& example = GetParam();
  const Net net = net_of(example);
  SCOPED_TRACE(example.op);
  const NetShapes shapes = infer_shapes(net);
  const auto [again, again_shapes] = read_onnx(onnx_bytes(net), "written.onnx");
  const std::string expected = *example.read_back == '\0' ? net.ops[0].type : example.read_back;
  EXPECT_EQ(types_of(again), expected == "none" ? "" : expected);
  const NetShapes inferred = infer_shapes(again);
  ASSERT_EQ(again.external_outputs.size(), net.ops[0].outputs.size());
  for (size_t i = 0; i < net.ops[0].outputs.size(); ++i) {
    const std::string& output = again.external_outputs[i];
    const auto& blobs = again.inputs.contains(output)      ? again.inputs
                        : again.constants.contains(output) ? again.constants
                                                           : inferred.blobs;
    EXPECT_EQ(blobs.at(output).shape, shapes.ops[0].outputs[i].shape);
  }
  if (*example.read_back != '\0') return;
  EXPECT_EQ(again_shapes.ops[0].inputs, shapes.ops[0].inputs);
  EXPECT_EQ(again_shapes.ops[0].macs, shapes.ops[0].macs);
}

INSTANTIATE_TEST_SUITE_P(OnnxWriterTest, WriterExampleTest, testing::ValuesIn(kExamples));

TEST(OnnxWriterTest, HasAnExampleOfEachType) {
  std::set<std::string> types = {"ConvSum"};  // of int8 networks alone
  for (const Example& example : kExamples) types.insert(net_of(example).ops[0].type);
  for (const onnx_ops::WritingRow* row : onnx_ops::writing_rows()) {
    EXPECT_TRUE(types.contains(std::string(row->type))) << row->type;
  }
}

Net read_text(const std::string& text, const std::map<std::string, TensorInfo>& inputs) {
  Net net = parse_netdef_text(text, "model.pbtxt");
  for (const auto& [name, info] : inputs) net.inputs[name] = info;
  return net;
}

TEST(OnnxWriterTest, ArgumentsAreSaidAsOnnxSaysThem) {
  Net net = read_text(R"(op { type: "Conv" input: "x" input: "w" output: "y"
      arg { name: "kernel_h" i: 1 } arg { name: "kernel_w" i: 3 } arg { name: "pads" ints: [0, 0, 0, 2] }
      arg { name: "stride" i: 2 } } external_output: "y")",
                      {{"x", {{1, 6, 9, 8}, DataType::kFloat}}});
  net.parameters["w"] = {{4, 6, 1, 3}, DataType::kFloat};
  const onnx::ModelProto model = parsed(onnx_bytes(net));
  const onnx::NodeProto& node = model.graph().node(0);
  const auto ints_of = [&](const char* name) {
    const onnx::AttributeProto* attribute = find_attribute(node, name);
    return attribute == nullptr ? Shape() : Shape(attribute->ints().begin(), attribute->ints().end());
  };
  EXPECT_THAT(ints_of("kernel_shape"), ElementsAre(1, 3));
  EXPECT_THAT(ints_of("strides"), ElementsAre(2, 2));
  EXPECT_THAT(ints_of("pads"), ElementsAre(0, 0, 0, 2));
  EXPECT_TRUE(ints_of("dilations").empty());  // all are 1
  EXPECT_EQ(model.ir_version(), 9);
  EXPECT_EQ(model.opset_import(0).version(), 20);
}

// A hint of cuDNN, which no attribute says.
TEST(OnnxWriterTest, HintsAreKeptInTheMetadata) {
  Net net = read_text(R"(op { type: "Conv" input: "x" input: "w" output: "y" arg { name: "kernel" i: 3 }
      arg { name: "exhaustive_search" i: 1 } } external_output: "y")",
                      {{"x", {{1, 6, 9, 8}, DataType::kFloat}}});
  net.parameters["w"] = {{4, 6, 3, 3}, DataType::kFloat};
  const std::string bytes = onnx_bytes(net);
  EXPECT_EQ(parsed(bytes).ir_version(), 10);
  const Operator op = read_onnx(bytes, "written.onnx").net.ops[0];
  ASSERT_NE(op.find_arg("exhaustive_search"), nullptr);
  EXPECT_EQ(op.find_arg("exhaustive_search")->i, 1);
}

TEST(OnnxWriterTest, NewerOperatorsRaiseTheOpset) {
  const auto opset = [](const char* type) {
    const Net net = read_text(
        "op { type: \"" + std::string(type) + "\" input: \"x\" output: \"y\" } external_output: \"y\"",
        {{"x", {{1, 6}, DataType::kFloat}}});
    const onnx::ModelProto model = parsed(onnx_bytes(net));
    return std::pair(model.opset_import(0).version(), model.ir_version());
  };
  EXPECT_EQ(opset("Relu"), std::pair(int64_t{20}, int64_t{9}));
  EXPECT_EQ(opset("Swish"), std::pair(int64_t{24}, int64_t{12}));
}

// ONNX writes each value once.
TEST(OnnxWriterTest, BlobsThatAreWrittenInPlaceGetNumbers) {
  const Net net =
      read_text(R"(op { type: "Relu" input: "x" output: "x" } op { type: "Tanh" input: "x" output: "x" }
      op { type: "Sum" input: "x" input: "x" output: "y" } external_output: "y")",
                {{"x", {{1, 6}, DataType::kFloat}}});
  const onnx::ModelProto model = parsed(onnx_bytes(net));
  EXPECT_EQ(model.graph().node(0).output(0), "x_2");
  EXPECT_EQ(model.graph().node(1).input(0), "x_2");
  EXPECT_EQ(model.graph().node(2).input(1), "x_3");
}

TEST(OnnxWriterTest, AnOutputThatIsAnInputIsCopied) {
  Net net = read_text(
      "op { type: \"NCHW2NHWC\" input: \"x\" output: \"h\" } op { type: \"NHWC2NCHW\" input: \"h\" output: "
      "\"y\" }"
      " external_output: \"y\" external_output: \"h\"",
      {{"x", {{1, 6, 4, 5}, DataType::kFloat}}});
  const onnx::ModelProto model = parsed(onnx_bytes(net));
  EXPECT_THAT(node_types(model), ElementsAre("Identity", "Transpose"));
  EXPECT_EQ(model.graph().output(1).type().tensor_type().shape().dim(3).dim_value(), 6);
}

constexpr const char* kChannelsLast = R"(
    op { type: "NCHW2NHWC" input: "x" output: "h" }
    op { type: "Conv" input: "h" input: "w" output: "c" arg { name: "kernel" i: 3 } arg { name: "order" s: "NHWC" } }
    op { type: "Relu" input: "c" output: "r" })";

TEST(OnnxWriterTest, ImagesHaveTheirChannelsFirst) {
  Net net = read_text(std::string(kChannelsLast) + R"(
      op { type: "NHWC2NCHW" input: "r" output: "y" } external_output: "y")",
                      {{"x", {{1, 6, 9, 8}, DataType::kFloat}}});
  net.parameters["w"] = {{4, 3, 3, 6}, DataType::kFloat};
  const onnx::ModelProto model = parsed(onnx_bytes(net));
  EXPECT_THAT(node_types(model), ElementsAre("Conv", "Relu"));
  EXPECT_THAT(model.graph().initializer(0).dims(), ElementsAre(4, 6, 3, 3));
  EXPECT_EQ(infer_shapes(read_onnx(onnx_bytes(net), "written.onnx").net).blobs.at("r").shape,
            Shape({1, 4, 7, 6}));
}

TEST(OnnxWriterTest, WhatCountsAxesReadsTheNetworksOrder) {
  Net net = read_text(std::string(kChannelsLast) + R"(
      op { type: "ReduceMean" input: "r" output: "y" arg { name: "axes" ints: [3] } } external_output: "y")",
                      {{"x", {{1, 6, 9, 8}, DataType::kFloat}}});
  net.parameters["w"] = {{4, 3, 3, 6}, DataType::kFloat};
  const std::string bytes = onnx_bytes(net);
  EXPECT_THAT(node_types(parsed(bytes)), ElementsAre("Conv", "Relu", "Transpose", "ReduceMean"));
  EXPECT_EQ(infer_shapes(read_onnx(bytes, "written.onnx").net).blobs.at("y").shape, Shape({1, 7, 6, 1}));
}

TEST(OnnxWriterTest, QuantisedOperatorsStandBetweenDequantiseAndQuantise) {
  Net net = read_text(R"(
      op { type: "NCHW2NHWC" input: "x" output: "h" }
      op { type: "Int8Quantize" input: "h" output: "q" arg { name: "Y_scale" f: 0.5 } arg { name: "Y_zero_point" i: 3 } }
      op { type: "Int8ConvRelu" input: "q" input: "w" input: "b" output: "c" arg { name: "kernel" i: 3 }
           arg { name: "order" s: "NHWC" } arg { name: "Y_scale" f: 0.25 } arg { name: "Y_zero_point" i: 0 } }
      op { type: "Int8Dequantize" input: "c" output: "y" } external_output: "y")",
                      {{"x", {{1, 6, 9, 8}, DataType::kFloat}}});
  net.parameters["w"] = {{4, 3, 3, 6}, DataType::kUint8};
  net.parameters["b"] = {{4}, DataType::kInt32};
  const onnx::ModelProto model = parsed(onnx_bytes(net));
  EXPECT_THAT(node_types(model),
              ElementsAre("QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear",
                          "Conv", "Relu", "QuantizeLinear", "DequantizeLinear", "Transpose"));
  std::map<std::string, int> types;
  for (const onnx::TensorProto& tensor : model.graph().initializer())
    types[tensor.name()] = tensor.data_type();
  EXPECT_EQ(types.at("w"), static_cast<int>(OnnxType::kInt8));
  EXPECT_EQ(types.at("b"), static_cast<int>(OnnxType::kInt32));
  EXPECT_EQ(types.at("constant_0.25"), static_cast<int>(OnnxType::kFloat));
}

// Engines fuse a bias whose scale is the product of the others', an Add of two, and what feeds a Gemm
// directly.
TEST(OnnxWriterTest, QuantisedOperatorsAreWhatEnginesFuse) {
  Net net = read_text(R"(
      op { type: "Int8Quantize" input: "x" output: "q" arg { name: "Y_scale" f: 0.5 } arg { name: "Y_zero_point" i: 3 } }
      op { type: "Int8SumRelu" input: "q" input: "q" output: "t" }
      op { type: "Int8Sum" input: "t" input: "q" output: "s" arg { name: "Y_scale" f: 0.25 } arg { name: "Y_zero_point" i: 0 } }
      op { type: "Int8FC" input: "s" input: "w" input: "b" output: "f" }
      op { type: "Int8FC" input: "q" input: "w" input: "b" output: "g" }
      op { type: "Int8Dequantize" input: "f" output: "y" } op { type: "Int8Dequantize" input: "g" output: "z" }
      external_output: "y" external_output: "z")",
                      {{"x", {{1, 2, 2, 2}, DataType::kFloat}}});
  net.parameters["w"] = {{4, 8}, DataType::kUint8};
  net.parameters["b"] = {{4}, DataType::kInt32};
  const std::string bytes = onnx_bytes(net);
  const onnx::ModelProto model = parsed(bytes);
  std::map<std::string, const onnx::NodeProto*> writers;
  for (const onnx::NodeProto& node : model.graph().node()) writers[node.output(0)] = &node;
  std::map<std::string, float> scalars;
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    if (tensor.data_type() != static_cast<int>(OnnxType::kFloat)) continue;
    std::memcpy(&scalars[tensor.name()], tensor.raw_data().data(), sizeof(float));
  }
  std::vector<float> data_scales;
  for (const onnx::NodeProto& node : model.graph().node()) {
    EXPECT_NE(node.op_type(), "Sum");
    if (node.op_type() != "Gemm") continue;
    std::array<float, 3> scales{};
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(writers.at(node.input(i))->op_type(), "DequantizeLinear");
      scales[static_cast<size_t>(i)] = scalars.at(writers.at(node.input(i))->input(1));
    }
    EXPECT_EQ(writers.at(writers.at(node.input(0))->input(0))->op_type(), "Flatten");
    EXPECT_EQ(scales[2], scales[0] * scales[1]);
    data_scales.push_back(scales[0]);
  }
  EXPECT_THAT(data_scales, ElementsAre(0.25F, 0.5F));  // the same bias under two scales
  EXPECT_EQ(types_of(read_onnx(bytes, "written.onnx").net), types_of(net));
}

// Of one pixel the order of dimensions does not count, but axes behind the channels do.
TEST(OnnxWriterTest, AxesBehindTheChannelsCount) {
  const Net net = read_text(R"(op { type: "NCHW2NHWC" input: "x" output: "h" }
      op { type: "Flatten" input: "h" output: "y" arg { name: "axis" i: 2 } } external_output: "y")",
                            {{"x", {{2, 8, 1, 1}, DataType::kFloat}}});
  EXPECT_EQ(infer_shapes(read_onnx(onnx_bytes(net), "written.onnx").net).blobs.at("y").shape, Shape({2, 8}));
  const Net shape = read_text(R"(op { type: "Shape" input: "x" output: "y" arg { name: "axes" ints: [-1] } }
      external_output: "y")",
                              {{"x", {{2, 8, 3}, DataType::kFloat}}});
  const onnx::ModelProto model = parsed(onnx_bytes(shape));
  EXPECT_EQ(find_attribute(model.graph().node(0), "start")->i(), 2);
  EXPECT_EQ(find_attribute(model.graph().node(0), "end")->i(), 3);
}

TEST(OnnxWriterTest, InputsKeepTheirOrderAndOutputsTheirNames) {
  const TensorInfo image{{1, 4, 2, 2}, DataType::kFloat};
  const Net net = read_text(R"(op { type: "Sum" input: "zz" input: "aa" output: "s" }
      op { type: "ChannelShuffle" input: "s" output: "y" arg { name: "group" i: 2 } }
      op { type: "Relu" input: "y" output: "y_groups" }
      external_input: "zz" external_input: "aa" external_output: "y_groups")",
                            {{"zz", image}, {"aa", image}});
  const onnx::ModelProto model = parsed(onnx_bytes(net));
  EXPECT_EQ(model.graph().input(0).name(), "zz");
  EXPECT_EQ(model.graph().input(1).name(), "aa");
  EXPECT_EQ(model.graph().output(0).name(), "y_groups");
  // A network without operators gives what it gets.
  Net identity = read_text("", {{"x", image}});
  identity.external_inputs = identity.external_outputs = {"x"};
  EXPECT_THAT(node_types(parsed(onnx_bytes(identity))), ElementsAre("Identity"));
}

TEST(OnnxWriterTest, WeightsAreTheSameUnderASeedAndMayBeLeftOut) {
  Net net =
      read_text(R"(op { type: "FC" input: "x" input: "w" input: "b" output: "y" } external_output: "y")",
                {{"x", {{1, 400}, DataType::kFloat}}});
  net.parameters["w"] = {{300, 400}, DataType::kFloat};
  net.parameters["b"] = {{300}, DataType::kFloat};
  const std::string bytes = onnx_bytes(net);
  EXPECT_EQ(bytes, onnx_bytes(net));
  EXPECT_NE(bytes, onnx_bytes(net, {.seed = 1}));
  EXPECT_GT(bytes.size(), 4U * 300 * 400);
  const std::string empty = onnx_bytes(net, {.weights = OnnxWeights::kLeftOut});
  EXPECT_LT(empty.size(), 1000U);
  const Net again = read_onnx(empty, "written.onnx").net;
  EXPECT_EQ(types_of(again), "FC");
  EXPECT_EQ(again.parameters.at("w").shape, Shape({300, 400}));
}

std::string error_of(const Net& net) {
  try {
    onnx_bytes(net);
  } catch (const NetError& error) {
    return error.what();
  }
  return "none";
}

TEST(OnnxWriterTest, ErrorsNameTheOperator) {
  const std::map<std::string, TensorInfo> image = {{"x", {{1, 6, 9, 8}, DataType::kFloat}}};
  EXPECT_EQ(
      error_of(read_text(R"(op { type: "HasElements" input: "x" output: "y" } external_output: "y")", image)),
      "an operator must have a form in ONNX, got \"HasElements\" (model.pbtxt, op 0 \"HasElements\", blob "
      "\"y\")");
  EXPECT_THAT(error_of(read_text(
                  R"(op { type: "Concat" input: "x" input: "x" output: "y" arg { name: "add_axis" i: 1 } }
                                   external_output: "y")",
                  image)),
              HasSubstr("Concat must not add an axis"));
  EXPECT_THAT(error_of(read_text(R"(op { type: "Concat" input: "x" input: "x" output: "y" output: "info" }
                                    op { type: "Cast" input: "info" output: "z" arg { name: "to" i: 1 } }
                                    external_output: "z")",
                                 image)),
              HasSubstr("got an output that no node has (model.pbtxt, op 1 \"Cast\", blob \"info\")"));
}

TEST(OnnxWriterTest, ParametersOfTwoGigabytesAreRefused) {
  Net net =
      read_text(R"(op { type: "FC" input: "x" input: "w" input: "b" output: "y" } external_output: "y")",
                {{"x", {{1, 100000}, DataType::kFloat}}});
  net.parameters["w"] = {{100000, 100000}, DataType::kFloat};
  net.parameters["b"] = {{100000}, DataType::kFloat};
  EXPECT_THAT(error_of(net), HasSubstr("must stay below 2 GiB: leave the weights out"));
  EXPECT_LT(onnx_bytes(net, {.weights = OnnxWeights::kLeftOut}).size(), 1000U);
}

// Operator by operator, with the arguments.
TEST(OnnxWriterTest, PublishedNetworksAreReadBack) {
  LATGRAD_NEED_SHARED("onnx");
  LATGRAD_NEED_SHARED("zoo");
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(shared_data("onnx")))
    folders.push_back(entry.path());
  for (const auto& entry : std::filesystem::directory_iterator(shared_data("zoo"))) {
    if (entry.is_directory()) folders.push_back(entry.path() / "fp32");
  }
  ASSERT_GT(folders.size(), 20U);
  for (const std::filesystem::path& folder : folders) {
    SCOPED_TRACE(folder);
    const Net net = read_net(folder);
    const NetShapes shapes = infer_shapes(net);
    const auto [again, again_shapes] =
        read_onnx(onnx_bytes(net, {.weights = OnnxWeights::kLeftOut}), "written.onnx");
    ASSERT_EQ(types_of(again), types_of(net));
    for (size_t i = 0; i < net.ops.size(); ++i) {
      EXPECT_EQ(again_shapes.ops[i].inputs, shapes.ops[i].inputs) << i;
      EXPECT_EQ(again_shapes.ops[i].outputs, shapes.ops[i].outputs) << i;
    }
  }
}

}  // namespace
}  // namespace latgrad::net::test
