#include "op_context.h"

#include <fmt/format.h>

#include <utility>

#include "default_order.h"
#include "parameter_type.h"

namespace latgrad::net::ops {

OpContext::OpContext(const Operator& op, Place place, std::vector<std::optional<TensorInfo>> inputs)
    : op_(op), place_(std::move(place)), inputs_(std::move(inputs)) {}

const TensorInfo& OpContext::activation(size_t index) const {
  if (!is_known(index)) {
    const std::string& blob = op_.inputs[index];
    fail_at_input(index, fmt::format("the shape of every data input must be known: give it with --input "
                                     "{}=1,3,224,224, or in shapes.json",
                                     blob));
  }
  return *inputs_[index];
}

const TensorInfo& OpContext::activation(size_t index, size_t min_rank) const {
  const TensorInfo& info = activation(index);
  if (info.shape.size() < min_rank) {
    fail_at_input(index, fmt::format("the input must have at least {} dimensions, got {}", min_rank,
                                     to_string(info.shape)));
  }
  return info;
}

const TensorInfo& OpContext::parameter(size_t index) const {
  if (!is_known(index)) {
    fail_at_input(
        index,
        "the shape of every parameter must be known: give the init net with --init, or shapes.json beside "
        "the network");
  }
  return *inputs_[index];
}

void OpContext::expect_parameter(size_t index, const Shape& shape, std::string_view what) {
  if (!is_known(index)) {
    inputs_[index] = TensorInfo{shape, parameter_type(op_.type, index)};
    return;
  }
  if (inputs_[index]->shape != shape) {
    fail_at_input(index, fmt::format("{} must have shape {} for input {}, got {}", what, to_string(shape),
                                     to_string(activation(0).shape), to_string(inputs_[index]->shape)));
  }
}

int64_t OpContext::int_arg(std::string_view name, int64_t otherwise) const {
  const Argument* arg = op_.find_arg(name);
  if (arg == nullptr) return otherwise;
  if (!arg->i) fail_at_arg(name, fmt::format("{} must be an integer", name));
  if (*arg->i > kMaxDim || *arg->i < -kMaxDim) {
    fail_at_arg(name, fmt::format("{} must fit 32 bits, got {}", name, *arg->i));
  }
  return *arg->i;
}

float OpContext::float_arg(std::string_view name, float otherwise) const {
  const Argument* arg = op_.find_arg(name);
  if (arg == nullptr) return otherwise;
  if (!arg->f) fail_at_arg(name, fmt::format("{} must be a float", name));
  return *arg->f;
}

std::vector<int64_t> OpContext::ints_arg(std::string_view name) const {
  const Argument* arg = op_.find_arg(name);
  if (arg == nullptr) return {};
  if (arg->f || arg->i || arg->s || !arg->floats.empty() || !arg->strings.empty()) {
    fail_at_arg(name, fmt::format("{} must be a list of integers", name));
  }
  for (const int64_t value : arg->ints) {
    if (value > kMaxDim || value < -kMaxDim) {
      fail_at_arg(name, fmt::format("{} must fit 32 bits, got {}", name, value));
    }
  }
  return arg->ints;
}

Order OpContext::order() const {
  const Argument* arg = op_.find_arg("order");
  const std::string value = arg == nullptr ? std::string(default_order(op_.type)) : arg->s.value_or("");
  if (value == "NCHW" || value == "nchw") return Order::kNchw;
  if (value == "NHWC" || value == "nhwc") return Order::kNhwc;
  fail_at_arg("order", fmt::format("order must be NCHW or NHWC, got \"{}\"", value));
}

size_t OpContext::channel_axis(size_t rank) const { return order() == Order::kNchw ? 1 : rank - 1; }

size_t OpContext::axis(int64_t value, size_t rank, std::string_view name) const {
  const int64_t signed_rank = static_cast<int64_t>(rank);
  if (value < -signed_rank || value >= signed_rank) {
    fail_at_arg(name, fmt::format("{} must be in [{}, {}), got {}", name, -signed_rank, signed_rank, value));
  }
  return static_cast<size_t>(value < 0 ? value + signed_rank : value);
}

DataType OpContext::output_dtype() const { return is_int8() ? DataType::kUint8 : activation(0).dtype; }

void OpContext::add_output(TensorInfo info) { outputs_.push_back(std::move(info)); }

int64_t OpContext::multiply(int64_t a, int64_t b) const {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) {
    fail(fmt::format("sizes must stay below 2^63, got {} x {}", a, b));
  }
  return result;
}

int64_t OpContext::product(const Shape& shape, size_t from, size_t to) const {
  int64_t result = 1;
  for (size_t i = from; i < to; ++i) result = multiply(result, shape[i]);
  return result;
}

void OpContext::fail(const std::string& message) const { throw NetError(message, place_); }

void OpContext::fail_at_input(size_t index, const std::string& message) const {
  Place place = place_;
  place.blob = op_.inputs[index];
  throw NetError(message, std::move(place));
}

void OpContext::fail_at_arg(std::string_view name, const std::string& message) const {
  Place place = place_;
  place.field = name;
  throw NetError(message, std::move(place));
}

}  // namespace latgrad::net::ops
