// Which operator type has which shape function, and how many inputs and outputs.

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "fill_operator.h"
#include "operators.h"

namespace latgrad::net::ops {
namespace {

constexpr size_t kAny = std::numeric_limits<size_t>::max();

constexpr OperatorRule kRules[] = {
    // Convolutions
    {"Conv", conv, 2, 3, 1, 1},
    {"Conv1D", conv, 2, 3, 1, 1},
    {"Conv2D", conv, 2, 3, 1, 1},
    {"Conv3D", conv, 2, 3, 1, 1},
    {"ConvRelu", conv, 2, 3, 1, 1},
    {"Int8Conv", conv, 2, 3, 1, 1},
    {"Int8ConvRelu", conv, 2, 3, 1, 1},
    {"Int8ConvSum", conv_sum, 4, 4, 1, 1},
    {"Int8ConvSumRelu", conv_sum, 4, 4, 1, 1},
    {"ConvTranspose", conv_transpose, 2, 3, 1, 1},
    {"Int8ConvTranspose", conv_transpose, 2, 3, 1, 1},
    // Pools
    {"MaxPool", pool, 1, 1, 1, 1},
    {"MaxPool1D", pool, 1, 1, 1, 1},
    {"MaxPool2D", pool, 1, 1, 1, 1},
    {"MaxPool3D", pool, 1, 1, 1, 1},
    {"MaxPoolWithIndex", pool, 1, 1, 2, 2},
    {"AveragePool", pool, 1, 1, 1, 1},
    {"AveragePool1D", pool, 1, 1, 1, 1},
    {"AveragePool2D", pool, 1, 1, 1, 1},
    {"AveragePool3D", pool, 1, 1, 1, 1},
    {"LpPool", pool, 1, 1, 1, 1},
    {"Int8MaxPool", pool, 1, 1, 1, 1},
    {"Int8MaxPoolRelu", pool, 1, 1, 1, 1},
    {"Int8AveragePool", pool, 1, 1, 1, 1},
    {"Int8AveragePoolRelu", pool, 1, 1, 1, 1},
    {"PadImage", pad_image, 1, 1, 1, 1},
    // Fully connected
    {"FC", fc, 3, 3, 1, 1},
    {"FCTransposed", fc_transposed, 3, 3, 1, 1},
    {"MatMul", matmul, 2, 3, 1, 1},
    {"Int8FC", fc, 3, 3, 1, 1},
    {"Int8FCRelu", fc, 3, 3, 1, 1},
    // One tensor in, its shape out
    {"Abs", same_as_input, 1, 1, 1, 1},
    {"Alias", same_as_input, 1, 1, 1, 1},
    {"Clip", same_as_input, 1, 1, 1, 1},
    {"Copy", same_as_input, 1, 1, 1, 1},
    {"CopyCPUToGPU", same_as_input, 1, 1, 1, 1},
    {"CopyFromCPUInput", same_as_input, 1, 1, 1, 1},
    {"CopyGPUToCPU", same_as_input, 1, 1, 1, 1},
    {"Cube", same_as_input, 1, 1, 1, 1},
    {"Elu", same_as_input, 1, 1, 1, 1},
    {"EnsureCPUOutput", same_as_input, 1, 1, 1, 1},
    {"Exp", same_as_input, 1, 1, 1, 1},
    {"Gelu", same_as_input, 1, 1, 1, 1},
    {"HardSigmoid", same_as_input, 1, 1, 1, 1},
    {"LRN", same_as_input, 1, 1, 1, 2},
    {"LeakyRelu", same_as_input, 1, 1, 1, 1},
    {"Log", same_as_input, 1, 1, 1, 1},
    {"LogSoftmax", same_as_input, 1, 1, 1, 1},
    {"Negative", same_as_input, 1, 1, 1, 1},
    {"Normalize", same_as_input, 1, 1, 1, 1},
    {"Relu", same_as_input, 1, 1, 1, 1},
    {"Relu6", same_as_input, 1, 1, 1, 1},
    {"ReluN", same_as_input, 1, 1, 1, 1},
    {"Rsqrt", same_as_input, 1, 1, 1, 1},
    {"Scale", same_as_input, 1, 1, 1, 1},
    {"Selu", same_as_input, 1, 1, 1, 1},
    {"Sigmoid", same_as_input, 1, 1, 1, 1},
    {"Softmax", same_as_input, 1, 1, 1, 1},
    {"Softplus", same_as_input, 1, 1, 1, 1},
    {"Softsign", same_as_input, 1, 1, 1, 1},
    {"Sqr", same_as_input, 1, 1, 1, 1},
    {"Sqrt", same_as_input, 1, 1, 1, 1},
    {"StopGradient", same_as_input, 1, 1, 1, 1},
    {"Swish", same_as_input, 1, 1, 1, 1},
    {"Tanh", same_as_input, 1, 1, 1, 1},
    {"ThresholdedRelu", same_as_input, 1, 1, 1, 1},
    {"Int8LeakyRelu", same_as_input, 1, 1, 1, 1},
    {"Int8Relu", same_as_input, 1, 1, 1, 1},
    {"Int8Sigmoid", same_as_input, 1, 1, 1, 1},
    {"Int8Softmax", same_as_input, 1, 1, 1, 1},
    {"Int8Tanh", same_as_input, 1, 1, 1, 1},
    {"PRelu", prelu, 2, 2, 1, 1},
    {"Dropout", dropout, 1, 1, 1, 2},
    // Several tensors of one shape
    {"Max", equal_shapes, 1, kAny, 1, 1},
    {"Mean", equal_shapes, 1, kAny, 1, 1},
    {"Min", equal_shapes, 1, kAny, 1, 1},
    {"Sum", equal_shapes, 1, kAny, 1, 1},
    {"SumRelu", equal_shapes, 1, kAny, 1, 1},
    {"Int8Add", equal_shapes, 2, 2, 1, 1},
    {"Int8AddRelu", equal_shapes, 2, 2, 1, 1},
    {"Int8Sum", equal_shapes, 1, kAny, 1, 1},
    {"Int8SumRelu", equal_shapes, 1, kAny, 1, 1},
    // Two tensors, the second broadcast
    {"Add", broadcast, 2, 2, 1, 1},
    {"Div", broadcast, 2, 2, 1, 1},
    {"Mul", broadcast, 2, 2, 1, 1},
    {"Pow", broadcast, 1, 2, 1, 1},
    {"Sub", broadcast, 2, 2, 1, 1},
    {"Int8Mul", broadcast, 2, 2, 1, 1},
    {"EQ", compare, 2, 2, 1, 1},
    {"GE", compare, 2, 2, 1, 1},
    {"GT", compare, 2, 2, 1, 1},
    {"LE", compare, 2, 2, 1, 1},
    {"LT", compare, 2, 2, 1, 1},
    {"NE", compare, 2, 2, 1, 1},
    // Joining and cutting
    {"Concat", concat, 1, kAny, 1, 2},
    {"DepthConcat", concat, 1, kAny, 1, 2},
    {"Int8Concat", concat, 1, kAny, 1, 2},
    {"Split", split, 1, 2, 1, kAny},
    {"DepthSplit", split, 1, 2, 1, kAny},
    {"Slice", slice, 1, 3, 1, 1},
    {"Int8Slice", slice, 1, 3, 1, 1},
    // Moving and rescaling
    {"ChannelShuffle", channel_shuffle, 1, 1, 1, 1},
    {"Int8ChannelShuffle", channel_shuffle, 1, 1, 1, 1},
    {"ResizeNearest", resize, 1, 2, 1, 1},
    {"UpsampleBilinear", resize, 1, 2, 1, 1},
    {"UpsampleNearest", upsample_nearest, 1, 1, 1, 1},
    {"Int8ResizeNearest", resize, 1, 2, 1, 1},
    // The same elements in another shape
    {"Reshape", reshape, 1, 2, 1, 2},
    {"Int8Reshape", reshape, 1, 2, 1, 2},
    {"ResizeLike", resize_like, 2, 2, 1, 1},
    {"PrependDim", prepend_dim, 1, 1, 1, 1},
    {"MergeDim", merge_dim, 1, 1, 1, 1},
    {"Flatten", flatten, 1, 1, 1, 1},
    {"Int8Flatten", flatten, 1, 1, 1, 1},
    {"FlattenToVec", flatten_to_vec, 1, 1, 1, 1},
    {"Squeeze", squeeze, 1, 1, 1, 1},
    {"ExpandDims", expand_dims, 1, 1, 1, 1},
    {"Transpose", transpose, 1, 1, 1, 1},
    {"Int8Transpose", transpose, 1, 1, 1, 1},
    {"NCHW2NHWC", nchw_to_nhwc, 1, 1, 1, 1},
    {"NHWC2NCHW", nhwc_to_nchw, 1, 1, 1, 1},
    // The same elements in another type
    {"Int8Quantize", quantize, 1, 3, 1, 1},
    {"Int8Dequantize", dequantize, 1, 1, 1, 1},
    {"Cast", cast, 1, 1, 1, 1},
    {"FloatToHalf", float_to_half, 1, 1, 1, 1},
    {"HalfToFloat", dequantize, 1, 1, 1, 1},
    // Normalisation
    {"SpatialBN", spatial_bn, 5, 7, 1, 5},
    {"Int8SpatialBN", spatial_bn, 5, 5, 1, 1},
    {"Int8SpatialBNRelu", spatial_bn, 5, 5, 1, 1},
    {"AffineChannel", affine_channel, 3, 3, 1, 1},
    {"InstanceNorm", instance_norm, 3, 3, 1, 3},
    {"GroupNorm", group_norm, 3, 3, 1, 3},
    {"Int8GroupNorm", group_norm, 3, 3, 1, 1},
    {"LayerNorm", layer_norm, 1, 3, 3, 3},
    // Reductions
    {"ReduceL1", reduce, 1, 1, 1, 1},
    {"ReduceL2", reduce, 1, 1, 1, 1},
    {"ReduceMax", reduce, 1, 1, 1, 1},
    {"ReduceMean", reduce, 1, 1, 1, 1},
    {"ReduceMin", reduce, 1, 1, 1, 1},
    {"ReduceSum", reduce, 1, 1, 1, 1},
    {"ReduceFrontMax", reduce_front, 1, 2, 1, 1},
    {"ReduceFrontMean", reduce_front, 1, 2, 1, 1},
    {"ReduceFrontSum", reduce_front, 1, 2, 1, 1},
    {"ReduceBackMax", reduce_back, 1, 2, 1, 1},
    {"ReduceBackMean", reduce_back, 1, 2, 1, 1},
    {"ReduceBackSum", reduce_back, 1, 2, 1, 1},
};

}  // namespace

const OperatorRule* find_rule(std::string_view op_type) {
  static const auto* const rules = [] {
    auto* by_type = new std::unordered_map<std::string_view, const OperatorRule*>;
    for (const OperatorRule& rule : kRules) by_type->emplace(rule.type, &rule);
    return by_type;
  }();
  const auto it = rules->find(op_type);
  if (it != rules->end()) return it->second;
  // The fill operators have a table of their own, which init nets share.
  static constexpr OperatorRule kFill = {"fill", fill, 0, 3, 1, 1};
  return is_fill_operator(op_type) ? &kFill : nullptr;
}

bool may_read_activation(std::string_view op_type, size_t index) {
  if (index == 0) return true;
  const OperatorRule* rule = find_rule(op_type);
  if (rule == nullptr) return false;
  if (rule->infer == conv_sum) return index + 1 == rule->max_inputs;  // the summand
  static constexpr std::array kJoining = {equal_shapes, broadcast, compare, concat, matmul, resize_like};
  return std::ranges::find(kJoining, rule->infer) != kJoining.end();
}

}  // namespace latgrad::net::ops
