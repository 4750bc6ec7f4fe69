#include "op_context.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "operator_place.h"

namespace latgrad::net::ops {

namespace {

template <typename Integer>
double wrapped(double value) {
  constexpr double kBig = 9e18;
  if (!(value > -kBig && value < kBig)) return value;
  return static_cast<double>(static_cast<Integer>(static_cast<int64_t>(value)));
}

// As a tensor of that type holds it.
double as_type(double value, DataType dtype) {
  switch (dtype) {
    case DataType::kFloat16:  // close enough
    case DataType::kFloat:
      return static_cast<float>(value);
    case DataType::kDouble:
      return value;
    case DataType::kBool:
      return value != 0 ? 1 : 0;
    case DataType::kInt32:
      return wrapped<int32_t>(value);
    case DataType::kInt16:
      return wrapped<int16_t>(value);
    case DataType::kUint16:
      return wrapped<uint16_t>(value);
    case DataType::kInt8:
      return wrapped<int8_t>(value);
    case DataType::kUint8:
    case DataType::kByte:
      return wrapped<uint8_t>(value);
    default:
      return std::trunc(value);
  }
}

}  // namespace

OpContext::OpContext(const OperatorType& row, const Operator& op, const std::string& source, size_t index,
                     std::vector<Input> inputs)
    : row_(row),
      op_(op),
      args_(op.type, op.args),
      source_(source),
      index_(index),
      inputs_(std::move(inputs)) {}

Place OpContext::place() const { return operator_place(source_, index_, op_); }

const TensorInfo& OpContext::activation(size_t index) const {
  if (!is_known(index)) {
    const std::string& blob = op_.inputs[index];
    fail_at_input(index, fmt::format("the shape of every data input must be known: give it with --input "
                                     "{}=1,3,224,224, or in shapes.json",
                                     blob));
  }
  return *inputs_[index].info();
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
  if (is_known(index)) return *inputs_[index].info();
  if (const std::string* maker = inputs_[index].maker) {
    Place place = this->place();
    place.blob = op_.inputs[index];
    throw UnknownValue(
        fmt::format("the shape of every parameter must be known: {} makes this one; give it with "
                    "--input {}=DIMS, or in shapes.json",
                    *maker, op_.inputs[index]),
        std::move(place));
  }
  fail_at_input(
      index,
      "the shape of every parameter must be known: give the init net with --init, or shapes.json beside "
      "the network");
}

void OpContext::expect_parameter(size_t index, const Shape& shape, std::string_view what) {
  if (!is_known(index)) {
    inputs_[index].determined = TensorInfo{shape, row_.parameter_type(index)};
    return;
  }
  const Shape& actual = inputs_[index].info()->shape;
  if (actual != shape) {
    fail_at_input(index, fmt::format("{} must have shape {} for input {}, got {}", what, to_string(shape),
                                     to_string(activation(0).shape), to_string(actual)));
  }
}

std::vector<int64_t> OpContext::known_integers(size_t index, std::string_view what) const {
  const Values* values = this->values(index);
  if (values == nullptr) fail_unknown(index, what);
  return to_integers(*values);
}

size_t OpContext::channel_axis(size_t rank) const { return args_.is_nhwc() ? rank - 1 : 1; }

size_t OpContext::axis(int64_t value, size_t rank, std::string_view name) const {
  const int64_t signed_rank = static_cast<int64_t>(rank);
  if (value < -signed_rank || value >= signed_rank) {
    fail_at_arg(name, fmt::format("{} must be in [{}, {}), got {}", name, -signed_rank, signed_rank, value));
  }
  return static_cast<size_t>(value < 0 ? value + signed_rank : value);
}

DataType OpContext::output_dtype() const { return is_int8() ? DataType::kUint8 : activation(0).dtype; }

void OpContext::set_values(std::optional<Values> known) {
  if (!known) return;
  Values& values = *known;
  const TensorInfo& output = outputs_.back();
  if (values.size() > kMaxValues || static_cast<int64_t>(values.size()) != num_elements(output.shape)) return;
  for (double& value : values) value = as_type(value, output.dtype);
  output_values_.resize(outputs_.size());
  output_values_.back() = std::move(values);
}

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

void OpContext::fail(const std::string& message) const { throw NetError(message, place()); }

void OpContext::fail_at_input(size_t index, const std::string& message) const {
  Place place = this->place();
  place.blob = op_.inputs[index];
  throw NetError(message, std::move(place));
}

void OpContext::fail_at_arg(std::string_view name, const std::string& message) const {
  Place place = this->place();
  place.field = name;
  throw NetError(message, std::move(place));
}

void OpContext::fail_unknown(size_t index, std::string_view what) const {
  Place place = this->place();
  place.blob = op_.inputs[index];
  throw UnknownValue(fmt::format("{} must be known without running the network: give the shape of what {} "
                                 "writes with --input BLOB=DIMS, or let --allow-unknown pass it over",
                                 what, op_.type),
                     std::move(place));
}

}  // namespace latgrad::net::ops
