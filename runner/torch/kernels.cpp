#include "kernels.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <map>
#include <string>

#include "int8_scales.h"
#include "latgrad/base/error.h"
#include "latgrad/net/registry.h"

namespace latgrad::runner {
namespace {

constexpr int64_t kMaxDelayUs = 10'000'000;

// A made-up operator that takes just the time it is told: what the profiler tests itself with.
Kernel make_delay(const lut::OperatorKey& key, const Target&) {
  const int64_t delay_us = arguments(key).integer("delay_us", -1);
  if (delay_us < 0 || delay_us > kMaxDelayUs) {
    throw ValueError("delay_us must be 0 to " + std::to_string(kMaxDelayUs) + ", got " +
                     (arguments(key).has("delay_us") ? std::to_string(delay_us) : "none"));
  }
  return {.run = [delay = std::chrono::microseconds(delay_us)](const auto&) -> at::Tensor {
    const auto end = std::chrono::steady_clock::now() + delay;
    while (std::chrono::steady_clock::now() < end) {
    }
    return {};
  }};
}

}  // namespace

namespace {

const std::map<std::string_view, KernelFactory>& kernels() {
  static const auto kernels = [] {
    std::map<std::string_view, KernelFactory> by_type = {{"LatgradDelay", make_delay}};
    for (std::span<const KernelEntry> family :
         {activation_kernels(), conv_kernels(), detection_kernels(), elementwise_kernels(), fc_kernels(),
          fill_kernels(), join_kernels(), normalise_kernels(), pool_kernels(), quantise_kernels(),
          reduce_kernels(), reshape_kernels(), resize_kernels(), shape_kernels()}) {
      for (const KernelEntry& entry : family) by_type.emplace(entry.op_type, entry.factory);
    }
    return by_type;
  }();
  return kernels;
}

}  // namespace

KernelFactory find_kernel(std::string_view op_type) {
  auto found = kernels().find(op_type);
  return found == kernels().end() ? nullptr : found->second;
}

std::vector<std::string_view> kernel_types() {
  std::vector<std::string_view> types;
  for (const auto& [type, factory] : kernels()) types.push_back(type);
  return types;
}

const net::Shape& input_shape(const lut::OperatorKey& key, size_t index) {
  if (index >= key.input_shapes.size()) {
    throw ValueError(key.op_type + " must have at least " + std::to_string(index + 1) + " inputs, got " +
                     std::to_string(key.input_shapes.size()));
  }
  return key.input_shapes[index];
}

at::ScalarType torch_dtype(net::DataType dtype) {
  switch (dtype) {
    case net::DataType::kInt32:
      return at::kInt;
    case net::DataType::kInt64:
      return at::kLong;
    case net::DataType::kBool:
      return at::kBool;
    case net::DataType::kUint8:
      return at::kByte;
    case net::DataType::kFloat16:
      return at::kHalf;
    case net::DataType::kDouble:
      return at::kDouble;
    default:
      return at::kFloat;
  }
}

net::NetShapes infer_alone(const lut::OperatorKey& key) {
  net::Operator op;
  op.type = key.op_type;
  op.args = key.args;
  const net::OperatorType* row = net::find_operator_type(key.op_type);
  const size_t outputs = row == nullptr ? 1 : row->outputs.least;
  for (size_t i = 0; i < outputs; ++i) op.outputs.push_back("out" + std::to_string(i));
  net::Net net;
  for (size_t i = 0; i < key.input_shapes.size(); ++i) {
    op.inputs.push_back("in" + std::to_string(i));
    // A type that a request leaves out changes no shape.
    const bool is_typed = i < key.input_dtypes.size();
    net.inputs[op.inputs.back()] = {key.input_shapes[i],
                                    is_typed ? key.input_dtypes[i] : net::DataType::kFloat};
  }
  net.ops.push_back(std::move(op));
  return net::infer_shapes(net, {.allow_unknown = true});
}

namespace {

// Shapes, indices and the like say their types; a byte is a quantised activation.
at::ScalarType float_unless_typed(const lut::OperatorKey& key, size_t index) {
  if (index >= key.input_dtypes.size()) return at::kFloat;
  const at::ScalarType dtype = torch_dtype(key.input_dtypes[index]);
  return dtype == at::kInt || dtype == at::kLong || dtype == at::kBool ? dtype : at::kFloat;
}

}  // namespace

Activation activation(const lut::OperatorKey& key, size_t index, bool channels_last) {
  const net::Shape& shape = input_shape(key, index);
  return {.input = index,
          .dtype = is_int8(key) ? at::kQUInt8 : float_unless_typed(key, index),
          .shape = shape,
          .channels_last = channels_last && shape.size() == 4};
}

Activation image_activation(const lut::OperatorKey& key) {
  const bool nhwc = is_nhwc(key);
  const net::Shape& shape = input_shape(key, 0);
  if (nhwc && shape.size() != 4) {
    throw ValueError("an image in order NHWC must have 4 dimensions to be measured, got " +
                     net::to_string(shape));
  }
  if (shape.size() < 3 || shape.size() > 5) {
    throw ValueError("an image must have 3 to 5 dimensions, got " + net::to_string(shape));
  }
  return activation(key, 0, nhwc);
}

Kernel follow(const lut::OperatorKey& key, const Target& target,
              std::function<at::Tensor(const at::Tensor&)> run) {
  return {.activations = {activation(key, 0, target.channels_last)},
          .run = [run = std::move(run)](const std::vector<at::Tensor>& x) { return run(x[0]); },
          .channels_last = target.channels_last};
}

Kernel by_order(const lut::OperatorKey& key, std::function<at::Tensor(const at::Tensor&)> run) {
  return {.activations = {image_activation(key)},
          .run = [run = std::move(run)](const std::vector<at::Tensor>& x) { return run(x[0]); },
          .channels_last = is_nhwc(key)};
}

net::Shape flatten_from(const net::Shape& shape, int64_t axis) {
  const auto rank = static_cast<int64_t>(shape.size());
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) {
    throw ValueError("axis must be in 0 to " + std::to_string(rank) + ", got " + std::to_string(axis));
  }
  const auto middle = shape.begin() + axis;
  return {net::num_elements({shape.begin(), middle}), net::num_elements({middle, shape.end()})};
}

int64_t torch_axis(int64_t axis, size_t rank, bool channels_last) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    throw ValueError("axis must be below the number of dimensions " + std::to_string(rank) + ", got " +
                     std::to_string(axis));
  }
  if (axis < 0) axis += signed_rank;
  if (!channels_last || axis == 0) return axis;
  return axis == signed_rank - 1 ? 1 : axis + 1;
}

int64_t channels_of(const Activation& image) {
  if (image.shape.size() < 2) {
    throw ValueError("the input must have at least 2 dimensions, got " + net::to_string(image.shape));
  }
  return image.channels_last ? image.shape.back() : image.shape[1];
}

namespace {

// Values of size 1/16 to 1, either way, drawn once: a network has millions of weights, and drawing them takes
// longer than running it. Every call starts where the last one ended.
at::Tensor drawn_values(int64_t count) {
  constexpr double kLeast = 1.0 / 16;
  static const at::Tensor values = [] {
    const at::Tensor drawn = at::empty({(int64_t{1} << 20) + 7}, at::kFloat).uniform_(-1, 1);
    const at::Tensor away_from_zero = at::where(drawn < 0, at::full({}, -kLeast), at::full({}, kLeast));
    return drawn.mul(1 - kLeast).add_(away_from_zero);
  }();
  static std::atomic<int64_t> next = 0;
  const int64_t first = next.fetch_add(count) % values.size(0);
  const int64_t turns = (first + count + values.size(0) - 1) / values.size(0);
  return (turns > 1 ? values.repeat({turns}) : values).slice(0, first, first + count);
}

}  // namespace

at::Tensor random_tensor(const net::Shape& shape, double bound) {
  return drawn_values(net::num_elements(shape)).mul(bound).reshape(shape);
}

at::Tensor random_positive(const net::Shape& shape) {
  return at::empty(shape, at::kFloat).uniform_(0.5, 1.5);
}

double weight_bound(int64_t fan_in) {
  return std::sqrt(6.0 / static_cast<double>(std::max<int64_t>(fan_in, 1)));
}

at::Tensor conv_weight(const lut::OperatorKey& key, bool nhwc, bool transposed) {
  const net::Shape& shape = input_shape(key, 1);
  if (shape.size() != input_shape(key, 0).size()) {
    throw ValueError("the weight must have as many dimensions as the input " +
                     net::to_string(input_shape(key, 0)) + ", got " + net::to_string(shape));
  }
  // Of a transposed convolution the first dimension is the inputs, and few of its windows overlap.
  const int64_t fan_in = transposed ? shape[0] / std::max<int64_t>(arguments(key).integer("group", 1), 1)
                                    : net::num_elements(shape) / std::max<int64_t>(shape[0], 1);
  at::Tensor weight = random_tensor(shape, weight_bound(fan_in));
  return nhwc ? nhwc_to_torch(weight) : weight;
}

at::Tensor to_device(const at::Tensor& tensor, const Target& target) {
  return tensor.defined() ? tensor.to(target.device) : tensor;
}

ImageWindow image_window(const lut::OperatorKey& key) {
  const Activation image = image_activation(key);
  const auto first = image.shape.begin() + (is_nhwc(key) ? 1 : 2);
  const net::Shape spatial(first, first + static_cast<std::ptrdiff_t>(image.shape.size() - 2));
  return {net::window_over(arguments(key), spatial), image, spatial};
}

std::vector<int64_t> symmetric(const std::vector<int64_t>& pads) {
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2);
  if (!std::equal(pads.begin(), middle, middle)) {
    throw ValueError("pads must be equal on opposite sides to be measured, got " + net::to_string(pads));
  }
  return {pads.begin(), middle};
}

Padding pad_a_copy(const net::AppliedWindow& window) {
  return {.both_sides = std::vector<int64_t>(window.kernel.size(), 0), .before = pad_list(window.pads)};
}

Padding padding_of(const net::AppliedWindow& window) {
  const auto middle = window.pads.begin() + static_cast<std::ptrdiff_t>(window.kernel.size());
  const bool is_cropped = std::ranges::any_of(window.pads, [](int64_t pad) { return pad < 0; });
  if (is_cropped || !std::equal(window.pads.begin(), middle, middle)) return pad_a_copy(window);
  return {.both_sides = {window.pads.begin(), middle}};
}

std::vector<int64_t> pad_list(const std::vector<int64_t>& pads) {
  const size_t rank = pads.size() / 2;
  std::vector<int64_t> list;
  for (size_t dim = rank; dim-- > 0;) {
    list.push_back(pads[dim]);
    list.push_back(pads[rank + dim]);
  }
  return list;
}

at::Tensor optional_bias(const lut::OperatorKey& key, size_t index) {
  if (index >= key.input_shapes.size()) return {};
  return random_tensor(key.input_shapes[index], 0.1);
}

at::Tensor random_activation(const Activation& activation, at::Device device) {
  at::Tensor values = random_tensor(activation.shape);
  if (activation.channels_last) values = nhwc_to_torch(values);
  if (activation.dtype == at::kQUInt8) {
    return at::quantize_per_tensor(values, kActivationScale, kZeroPoint, at::kQUInt8);
  }
  return values.to(device, activation.dtype);
}

at::Tensor nhwc_to_torch(const at::Tensor& nhwc) { return nhwc.permute({0, 3, 1, 2}); }

}  // namespace latgrad::runner
