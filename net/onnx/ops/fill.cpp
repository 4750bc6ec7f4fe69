// Constants, what a tensor's shape alone tells, and casts.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data_type_argument.h"
#include "lowering_rows.h"
#include "onnx_types.h"
#include "tensor_values.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

TensorInfo info_of(const onnx::TensorProto& tensor) {
  return {Shape(tensor.dims().begin(), tensor.dims().end()), data_type_of_onnx(tensor.data_type())};
}

void constant(OnnxNode& node, std::string_view) {
  const auto list = [&](auto first, auto last, DataType dtype) {
    node.emit_constant({{last - first}, dtype}, Values(first, last));
  };
  if (const auto* value = node.find("value"))
    return node.emit_constant(info_of(value->t()), tensor_values(value->t()));
  if (const auto* value = node.find("value_float"))
    return node.emit_constant({{}, DataType::kFloat}, Values{value->f()});
  if (const auto* value = node.find("value_int")) {
    return node.emit_constant({{}, DataType::kInt64}, Values{static_cast<double>(value->i())});
  }
  if (const auto* value = node.find("value_floats")) {
    return list(value->floats().begin(), value->floats().end(), DataType::kFloat);
  }
  if (const auto* value = node.find("value_ints"))
    return list(value->ints().begin(), value->ints().end(), DataType::kInt64);
  if (node.has("value_string")) return node.emit_constant({{}, DataType::kString}, std::nullopt);
  if (const auto* value = node.find("value_strings")) {
    return node.emit_constant({{value->strings_size()}, DataType::kString}, std::nullopt);
  }
  node.fail("a constant must have a value");
}

void constant_of_shape(OnnxNode& node, std::string_view) {
  TensorInfo info{node.known_integers(0), DataType::kFloat};
  double element = 0;
  if (const auto* value = node.find("value")) {
    info.dtype = data_type_of_onnx(value->t().data_type());
    if (const auto values = tensor_values(value->t()); values && !values->empty()) element = values->front();
  }
  const int64_t count = num_elements(info.shape);
  std::optional<Values> values;
  if (count <= static_cast<int64_t>(kMaxValues)) values = Values(static_cast<size_t>(count), element);
  node.emit_constant(std::move(info), std::move(values));
}

void range(OnnxNode& node, std::string_view) {
  const double start = node.known_number(0);
  const double limit = node.known_number(1);
  const double delta = node.known_number(2);
  const double count = delta == 0 ? -1 : std::max(std::ceil((limit - start) / delta), 0.0);
  if (!(count >= 0) || count > static_cast<double>(kMaxDim)) {
    node.fail(
        fmt::format("a range must have 0 to 2^31 - 1 elements, got {} to {} by {}", start, limit, delta));
  }
  std::optional<Values> values;
  if (count <= static_cast<double>(kMaxValues)) {
    values.emplace();
    for (size_t i = 0; i < static_cast<size_t>(count); ++i)
      values->push_back(start + delta * static_cast<double>(i));
  }
  node.emit_constant({{static_cast<int64_t>(count)}, node.info(0).dtype}, std::move(values));
}

// From opset 15 on of a part of the dimensions.
void shape(OnnxNode& node, std::string_view target) {
  const auto rank = static_cast<int64_t>(node.shape(0).size());
  const auto bound = [rank](int64_t value) {
    return std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  const int64_t start = bound(node.integer("start", 0));
  const int64_t end = bound(node.integer("end", rank));
  if (start >= end) return node.emit_constant({{0}, DataType::kInt64}, Values());
  Operator op = node.as(target);
  if (end - start != rank) {
    std::vector<int64_t> axes;
    for (int64_t axis = start; axis < end; ++axis) axes.push_back(axis);
    op.args.push_back(integers_argument("axes", std::move(axes)));
  }
  node.emit(std::move(op));
}

void cast_to(OnnxNode& node, std::string_view target, DataType dtype) {
  if (node.info(0).dtype == dtype) return node.pass();
  Operator op = node.as(target, {0});
  op.args.push_back(Argument::of_int("to", static_cast<int64_t>(dtype)));
  node.emit(std::move(op));
}

void cast(OnnxNode& node, std::string_view target) {
  cast_to(node, target, data_type_of_onnx(node.integer("to", 0)));
}
void cast_like(OnnxNode& node, std::string_view target) { cast_to(node, target, node.info(1).dtype); }

constexpr LoweringRow kLowering[] = {
    {"Cast", "Cast", cast},
    {"CastLike", "Cast", cast_like},
    {"Constant", "no operator: computed", constant},
    {"ConstantOfShape", "no operator: computed", constant_of_shape},
    {"Range", "no operator: computed", range},
    {"Shape", "Shape", shape},
    {"Size", "Size", rename},
};

void write_shape(NodeWriter& writer, std::string_view target) {
  std::vector<int64_t> axes = writer.args().integers("axes");
  for (int64_t& axis : axes) axis = writer.axis(axis);
  onnx::NodeProto& node = writer.add(target);
  if (axes.empty()) return;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != axes[0] + static_cast<int64_t>(i)) writer.fail("the axes of Shape must be one range");
  }
  set_integer(node, "start", axes.front());
  set_integer(node, "end", axes.back() + 1);
}

void write_cast(NodeWriter& writer, std::string_view target) {
  const Argument* to = writer.args().find("to");
  const auto dtype = to == nullptr ? std::nullopt : data_type_argument(*to);
  if (!dtype) writer.fail("Cast must say to which type");
  set_integer(writer.add(target), "to", static_cast<int64_t>(onnx_type_of(*dtype)));
}

void write_cast_to_float(NodeWriter& writer, std::string_view) {
  set_integer(writer.add("Cast"), "to", static_cast<int64_t>(OnnxType::kFloat));
}
void write_cast_to_half(NodeWriter& writer, std::string_view) {
  set_integer(writer.add("Cast"), "to", static_cast<int64_t>(OnnxType::kFloat16));
}

constexpr WritingRow kWriting[] = {
    {"Cast", "Cast", write_cast, Dimensions::kAny},
    {"FloatToHalf", "Cast", write_cast_to_half, Dimensions::kAny},
    {"HalfToFloat", "Cast", write_cast_to_float, Dimensions::kAny},
    {"Shape", "Shape", write_shape},
    {"Size", "Size", write_renamed},
};

}  // namespace

std::span<const LoweringRow> fill_lowering() { return kLowering; }
std::span<const WritingRow> fill_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
