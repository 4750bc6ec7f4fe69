#include "fill_operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "data_type_argument.h"
#include "latgrad/base/error.h"

namespace latgrad::net {
namespace {

struct Fill {
  std::string_view op_type;
  DataType dtype;
  bool takes_dtype;  // the argument `dtype` overrides
};

constexpr std::array kFills = {
    Fill{"GivenTensorFill", DataType::kFloat, true},
    Fill{"GivenTensorDoubleFill", DataType::kDouble, false},
    Fill{"GivenTensorBoolFill", DataType::kBool, false},
    Fill{"GivenTensorIntFill", DataType::kInt32, false},
    Fill{"GivenTensorInt16Fill", DataType::kInt16, false},
    Fill{"GivenTensorInt64Fill", DataType::kInt64, false},
    Fill{"GivenTensorStringFill", DataType::kString, false},
    Fill{"GivenTensorByteStringToUInt8Fill", DataType::kUint8, false},
    Fill{"Int8GivenTensorFill", DataType::kUint8, false},
    Fill{"Int8GivenIntTensorFill", DataType::kInt32, false},
    Fill{"ConstantFill", DataType::kFloat, true},
    Fill{"XavierFill", DataType::kFloat, false},
    Fill{"MSRAFill", DataType::kFloat, false},
    Fill{"UniformFill", DataType::kFloat, false},
    Fill{"GaussianFill", DataType::kFloat, false},
    Fill{"RangeFill", DataType::kFloat, false},
    Fill{"UniformIntFill", DataType::kInt32, false},
    Fill{"UniqueUniformFill", DataType::kInt32, true},
    Fill{"Float16ConstantFill", DataType::kFloat16, false},
    Fill{"Float16UniformFill", DataType::kFloat16, false},
    Fill{"GivenTensorFloat16Fill", DataType::kFloat16, false},
};

const Fill* find_fill(std::string_view op_type) {
  const auto it = std::ranges::find(kFills, op_type, &Fill::op_type);
  return it == kFills.end() ? nullptr : &*it;
}

Place in_field(Place place, std::string field) {
  place.field = std::move(field);
  return place;
}

DataType dtype_of(const Fill& fill, const Operator& op, const Place& place) {
  if (!fill.takes_dtype) return fill.dtype;
  if (const Argument* dtype = op.find_arg("dtype")) {
    const auto known = data_type_argument(*dtype);
    if (!known)
      throw NetError("dtype must be a number or name of Caffe2's TensorProto.DataType",
                     in_field(place, "dtype"));
    return *known;
  }
  // A ConstantFill without dtype takes the type of its value, and integers are 64 bits wide there.
  const Argument* value = op.find_arg("value");
  if (fill.op_type == "ConstantFill" && value != nullptr && value->i) return DataType::kInt64;
  return fill.dtype;
}

const std::vector<int64_t>& ints_of(const Operator& op, std::string_view name, const Place& place) {
  static const std::vector<int64_t> none;
  const Argument* arg = op.find_arg(name);
  if (arg == nullptr) return none;
  if (arg->i || arg->f || arg->s || !arg->floats.empty() || !arg->strings.empty()) {
    throw NetError(fmt::format("{} must be a list of integers", name), in_field(place, std::string(name)));
  }
  return arg->ints;
}

}  // namespace

bool is_fill_operator(std::string_view op_type) { return find_fill(op_type) != nullptr; }

TensorInfo fill_operator_output(const Operator& op, const std::optional<TensorInfo>& input,
                                const Place& place) {
  const Fill& fill = *find_fill(op.type);
  // Without an input and without `shape` Caffe2 makes a scalar.
  Shape shape = ints_of(op, "shape", place);
  if (input) {
    if (!shape.empty()) {
      throw NetError("a fill takes its shape from an input or from the argument shape, got both",
                     in_field(place, "shape"));
    }
    const Argument* as_shape = op.find_arg("input_as_shape");
    if (as_shape != nullptr && as_shape->i.value_or(0) != 0) {
      throw NetError("the shape of a fill must be known without running the network, got input_as_shape",
                     in_field(place, "input_as_shape"));
    }
    shape = input->shape;
    const Shape& extra = ints_of(op, "extra_shape", place);
    shape.insert(shape.end(), extra.begin(), extra.end());
  }
  try {
    num_elements(shape);
  } catch (const ValueError& error) {
    throw NetError(error.what(), in_field(place, "shape"));
  }
  return {std::move(shape), dtype_of(fill, op, place)};
}

}  // namespace latgrad::net
