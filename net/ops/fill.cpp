// The fill operators: what init nets consist of, and constants inside a network.
// Source: caffe2/operators/{filler_op,given_tensor_fill_op}.h, quantized/int8_given_tensor_fill_op.h.

#include <fmt/format.h>

#include "data_type_argument.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

// The argument `shape`; the shape of an input, or its values with `input_as_shape`. Without any Caffe2 makes
// a scalar.
Shape shape_of(const OpContext& ctx) {
  Shape shape = ctx.args().integers("shape");
  if (ctx.num_inputs() == 0) return shape;
  if (!shape.empty()) {
    ctx.fail_at_arg("shape", "a fill takes its shape from an input or from the argument shape, got both");
  }
  if (ctx.args().flag("input_as_shape")) {
    shape = ctx.known_integers(0, "the shape of a fill");
  } else {
    shape = ctx.activation(0).shape;
  }
  const std::vector<int64_t> extra = ctx.args().integers("extra_shape");
  shape.insert(shape.end(), extra.begin(), extra.end());
  return shape;
}

// The elements, where the arguments say them.
void follow_elements(OpContext& ctx, const Shape& shape) {
  const int64_t count = num_elements(shape);
  if (count > static_cast<int64_t>(kMaxValues)) return;
  if (const Argument* values = ctx.args().find("values"); values != nullptr) {
    Values elements(values->ints.begin(), values->ints.end());
    elements.insert(elements.end(), values->floats.begin(), values->floats.end());
    if (static_cast<int64_t>(elements.size()) == count) ctx.set_values(std::move(elements));
  } else if (ctx.op().type == "ConstantFill") {
    const Argument* value = ctx.args().find("value");
    double element = 0;
    if (value != nullptr && value->i) element = static_cast<double>(*value->i);
    if (value != nullptr && value->f) element = *value->f;
    ctx.set_values(Values(static_cast<size_t>(count), element));
  }
}

void check_shape(const OpContext& ctx, const Shape& shape) {
  try {
    num_elements(shape);
  } catch (const ValueError& error) {
    ctx.fail_at_arg("shape", error.message());
  }
}

template <DataType dtype>
void fill(OpContext& ctx) {
  const Shape shape = shape_of(ctx);
  check_shape(ctx, shape);
  ctx.add_output({shape, dtype});
  follow_elements(ctx, shape);
}

DataType dtype_argument(const OpContext& ctx, DataType otherwise) {
  const Argument* dtype = ctx.args().find("dtype");
  if (dtype == nullptr) return otherwise;
  const auto known = data_type_argument(*dtype);
  if (!known) {
    ctx.fail_at_arg("dtype", "dtype must be a number or name of Caffe2's TensorProto.DataType");
  }
  return *known;
}

// `dtype` overrides the type.
template <DataType otherwise>
void typed_fill(OpContext& ctx) {
  const Shape shape = shape_of(ctx);
  check_shape(ctx, shape);
  ctx.add_output({shape, dtype_argument(ctx, otherwise)});
  follow_elements(ctx, shape);
}

// Without dtype it takes the type of its value, and integers are 64 bits wide there.
void constant_fill(OpContext& ctx) {
  const Argument* value = ctx.args().find("value");
  const bool is_integer = value != nullptr && value->i;
  is_integer ? typed_fill<DataType::kInt64>(ctx) : typed_fill<DataType::kFloat>(ctx);
}

constexpr OperatorType row(std::string_view type, void (*infer)(OpContext&)) {
  return {.type = type, .inputs = {0, 3}, .is_fill = true, .infer = infer};
}

constexpr OperatorType kRows[] = {
    row("ConstantFill", constant_fill),
    row("Float16ConstantFill", fill<DataType::kFloat16>),
    row("Float16UniformFill", fill<DataType::kFloat16>),
    row("GaussianFill", fill<DataType::kFloat>),
    row("GivenTensorBoolFill", fill<DataType::kBool>),
    row("GivenTensorByteStringToUInt8Fill", fill<DataType::kUint8>),
    row("GivenTensorDoubleFill", fill<DataType::kDouble>),
    row("GivenTensorFill", typed_fill<DataType::kFloat>),
    row("GivenTensorFloat16Fill", fill<DataType::kFloat16>),
    row("GivenTensorInt16Fill", fill<DataType::kInt16>),
    row("GivenTensorInt64Fill", fill<DataType::kInt64>),
    row("GivenTensorIntFill", fill<DataType::kInt32>),
    row("GivenTensorStringFill", fill<DataType::kString>),
    row("Int8GivenIntTensorFill", fill<DataType::kInt32>),
    row("Int8GivenTensorFill", fill<DataType::kUint8>),
    row("MSRAFill", fill<DataType::kFloat>),
    row("RangeFill", fill<DataType::kFloat>),
    row("UniformFill", fill<DataType::kFloat>),
    row("UniformIntFill", fill<DataType::kInt32>),
    row("UniqueUniformFill", typed_fill<DataType::kInt32>),
    row("XavierFill", fill<DataType::kFloat>),
};

}  // namespace

std::span<const OperatorType> fill_rows() { return kRows; }

}  // namespace latgrad::net::ops
