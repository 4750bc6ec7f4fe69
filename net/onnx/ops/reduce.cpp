// Reductions along axes, extremes and the greatest k.

#include <algorithm>

#include "lowering_rows.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

void reduce(OnnxNode& node, std::string_view target) {
  const size_t rank = node.shape(0).size();
  std::vector<int64_t> axes = node.integers_at("axes", 1).value_or(std::vector<int64_t>());
  if (axes.empty() && node.integer("noop_with_empty_axes", 0) != 0) return node.pass();
  for (int64_t& axis : axes) axis = node.axis(axis, rank);
  std::ranges::sort(axes);
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  Operator op = node.as(target, {0});
  // All of them are left unsaid.
  if (!axes.empty() && axes.size() != rank) op.args.push_back(integers_argument("axes", std::move(axes)));
  add_integer(op, "keepdims", node.integer("keepdims", 1), 1);
  node.emit(std::move(op));
}

// The last axis is Caffe2's default.
void add_axis(Operator& op, const OnnxNode& node, int64_t otherwise) {
  const size_t rank = node.shape(0).size();
  const int64_t axis = node.axis(node.integer("axis", otherwise), rank);
  add_integer(op, "axis", axis, static_cast<int64_t>(rank) - 1);
}

void arg_extreme(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  add_axis(op, node, 0);
  add_integer(op, "keepdims", node.integer("keepdims", 1), 1);
  node.emit(std::move(op));
}

void top_k(OnnxNode& node, std::string_view target) {
  const auto k = node.integers_at("k", 1);
  Operator op = node.as(target);
  op.inputs.resize(1);
  if (k && k->size() == 1) op.args.push_back(Argument::of_int("k", k->front()));
  add_axis(op, node, -1);
  node.emit(std::move(op));
}

void cumulative_sum(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target, {0});
  const auto axis = static_cast<int64_t>(node.known_number(1));
  add_integer(op, "axis", node.axis(axis, node.shape(0).size()), 0);
  add_integer(op, "exclusive", node.integer("exclusive", 0), 0);
  add_integer(op, "reverse", node.integer("reverse", 0), 0);
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"ArgMax", "ArgMax", arg_extreme},
    {"ArgMin", "ArgMin", arg_extreme},
    {"CumSum", "CumSum", cumulative_sum},
    {"ReduceL1", "ReduceL1", reduce},
    {"ReduceL2", "ReduceL2", reduce},
    {"ReduceLogSumExp", "ReduceLogSumExp", reduce},
    {"ReduceMax", "ReduceMax", reduce},
    {"ReduceMean", "ReduceMean", reduce},
    {"ReduceMin", "ReduceMin", reduce},
    {"ReduceProd", "ReduceProd", reduce},
    {"ReduceSum", "ReduceSum", reduce},
    {"ReduceSumSquare", "ReduceSumSquare", reduce},
    {"TopK", "TopK", top_k},
};

void write_reduce(NodeWriter& writer, std::string_view target) {
  const std::vector<int64_t> axes = writer.args().integers("axes");
  std::vector<std::string> inputs = {writer.input(0)};
  if (!axes.empty()) inputs.push_back(writer.integers(axes));
  onnx::NodeProto& node = writer.add(target, std::move(inputs), {writer.output()});
  set_integer(node, "keepdims", writer.args().integer("keepdims", 1));
}

void write_arg_extreme(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(target);
  set_integer(node, "axis", writer.axis(writer.args().integer("axis", -1)));
  set_integer(node, "keepdims", writer.args().integer("keepdims", 1));
}

void write_top_k(NodeWriter& writer, std::string_view target) {
  const int64_t axis = writer.axis(writer.args().integer("axis", -1));
  const int64_t k = writer.output_shape()[static_cast<size_t>(axis)];
  std::vector<std::string> outputs;
  for (size_t i = 0; i < writer.num_outputs(); ++i) outputs.push_back(writer.output(i));
  set_integer(writer.add(target, {writer.input(0), writer.integers({k})}, std::move(outputs)), "axis", axis);
}

void write_cumulative_sum(NodeWriter& writer, std::string_view target) {
  const auto axis = static_cast<double>(writer.axis(writer.args().integer("axis", 0)));
  onnx::NodeProto& node =
      writer.add(target, {writer.input(0), writer.scalar(axis, DataType::kInt64)}, {writer.output()});
  set_integer(node, "exclusive", writer.args().integer("exclusive", 0));
  set_integer(node, "reverse", writer.args().integer("reverse", 0));
}

constexpr WritingRow kWriting[] = {
    {"ArgMax", "ArgMax", write_arg_extreme},
    {"ArgMin", "ArgMin", write_arg_extreme},
    {"CumSum", "CumSum", write_cumulative_sum},
    {"ReduceL1", "ReduceL1", write_reduce},
    {"ReduceL2", "ReduceL2", write_reduce},
    {"ReduceLogSumExp", "ReduceLogSumExp", write_reduce},
    {"ReduceMax", "ReduceMax", write_reduce},
    {"ReduceMean", "ReduceMean", write_reduce},
    {"ReduceMin", "ReduceMin", write_reduce},
    {"ReduceProd", "ReduceProd", write_reduce},
    {"ReduceSum", "ReduceSum", write_reduce},
    {"ReduceSumSquare", "ReduceSumSquare", write_reduce},
    {"TopK", "TopK", write_top_k},
};

}  // namespace

std::span<const LoweringRow> reduce_lowering() { return kLowering; }
std::span<const WritingRow> reduce_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
