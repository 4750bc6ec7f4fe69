// Joining, cutting and picking: Concat, Split, Slice, Tile, Expand, gathering and scattering by indices.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

void concat(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  op.args.push_back(Argument::of_int("axis", node.axis(node.integer("axis", 1), node.shape(0).size())));
  node.emit(std::move(op));
}

// The lengths are always said: with the shape of the input they tell what the operator writes.
void split(OnnxNode& node, std::string_view target) {
  const Shape& shape = node.shape(0);
  const auto axis = node.axis(node.integer("axis", 0), shape.size());
  const int64_t size = shape[static_cast<size_t>(axis)];
  const auto count = static_cast<int64_t>(node.num_outputs());
  std::vector<int64_t> lengths = node.integers_at("split", 1).value_or(std::vector<int64_t>());
  if (lengths.empty()) {
    const int64_t length = (size + count - 1) / count;
    lengths.assign(node.num_outputs(), length);
    lengths.back() = size - length * (count - 1);
  }
  Operator op = node.as(target);
  op.inputs.resize(1);
  op.args.push_back(Argument::of_int("axis", axis));
  op.args.push_back(integers_argument("split", std::move(lengths)));
  node.emit(std::move(op));
}

// Caffe2's bounds are those of all dimensions, and -1 is the end. What goes backwards is said by a negative
// step from the last element of the range to the first.
void slice(OnnxNode& node, std::string_view target) {
  const Shape& shape = node.shape(0);
  const auto starts = node.integers_at("starts", 1);
  const auto ends = node.integers_at("ends", 2);
  if (!starts || !ends || starts->size() != ends->size()) {
    node.fail("a slice must have as many starts as ends");
  }
  auto axes = node.integers_at("axes", 3).value_or(std::vector<int64_t>());
  if (axes.empty()) {
    for (size_t i = 0; i < starts->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  std::vector<int64_t> steps = node.has_input(4) ? node.known_integers(4) : std::vector<int64_t>();
  if (steps.empty()) steps.assign(axes.size(), 1);
  if (axes.size() != starts->size() || steps.size() != starts->size()) {
    node.fail("a slice must have an axis and a step for each start");
  }
  std::vector<int64_t> all_starts(shape.size(), 0);
  std::vector<int64_t> all_ends(shape.size(), -1);
  std::vector<int64_t> all_steps(shape.size(), 1);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(node.axis(axes[i], shape.size()));
    const int64_t size = shape[axis];
    const int64_t step = steps[i];
    if (step == 0) node.fail("the step of a slice must not be 0");
    // Counted from the front, within the dimension; backwards the end may lie before the first element.
    const auto bound = [size](int64_t value, int64_t least, int64_t most) {
      if (value < 0) value = value < -size - 1 ? -1 : value + size;
      return std::clamp(value, least, most);
    };
    int64_t start = step > 0 ? bound((*starts)[i], 0, size) : bound((*starts)[i], -1, size - 1);
    int64_t end = step > 0 ? bound((*ends)[i], 0, size) : bound((*ends)[i], -1, size - 1);
    if (step < 0) std::swap(start, end), ++start, ++end;
    all_starts[axis] = start;
    all_ends[axis] = std::max(start, end) == size && start < size ? -1 : std::max(start, end);
    all_steps[axis] = step;
  }
  Operator op = node.as(target, {0});
  op.args.push_back(integers_argument("starts", std::move(all_starts)));
  op.args.push_back(integers_argument("ends", std::move(all_ends)));
  if (std::ranges::any_of(all_steps, [](int64_t step) { return step != 1; })) {
    op.args.push_back(integers_argument("steps", std::move(all_steps)));
  }
  node.emit(std::move(op));
}

void gather(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  add_integer(op, "axis", node.axis(node.integer("axis", 0), node.shape(0).size()), 0);
  node.emit(std::move(op));
}

// Of the values that meet in one place when something is scattered; empty: the last one stays.
void add_reduction(Operator& op, const OnnxNode& node) {
  const std::string_view reduction = node.text("reduction", "none");
  if (reduction != "none") op.args.push_back(Argument::of_string("reduction", std::string(reduction)));
}

void gather_nd(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  add_integer(op, "batch_dims", node.integer("batch_dims", 0), 0);
  node.emit(std::move(op));
}

void scatter_nd(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  add_reduction(op, node);
  node.emit(std::move(op));
}

void scatter_elements(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  add_integer(op, "axis", node.axis(node.integer("axis", 0), node.shape(0).size()), 0);
  add_reduction(op, node);
  node.emit(std::move(op));
}

void triangle(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target, {0});
  add_integer(op, "upper", node.integer("upper", 1), 1);
  if (node.has_input(1)) {
    const std::vector<int64_t> diagonal = node.known_integers(1);
    if (diagonal.size() != 1) node.fail(fmt::format("k must be one number, got {}", diagonal.size()));
    add_integer(op, "k", std::clamp(diagonal[0], -kMaxDim, kMaxDim), 0);
  }
  node.emit(std::move(op));
}

// Caffe2 tiles along one axis at a time.
void tile(OnnxNode& node, std::string_view target) {
  const std::vector<int64_t> repeats = node.known_integers(1);
  if (repeats.size() != node.shape(0).size()) {
    node.fail(fmt::format("repeats must have one value for each dimension of {}, got {}",
                          to_string(node.shape(0)), to_string(repeats)));
  }
  std::vector<size_t> axes;
  for (size_t axis = 0; axis < repeats.size(); ++axis) {
    if (repeats[axis] != 1) axes.push_back(axis);
  }
  if (axes.empty()) return node.pass();
  std::string blob = node.input(0);
  for (const size_t axis : axes) {
    const std::string out = axis == axes.back() ? node.output(0) : node.temporary("tiled");
    Operator op = node.make(target, {blob}, {out});
    op.args.push_back(Argument::of_int("tiles", repeats[axis]));
    add_integer(op, "axis", static_cast<int64_t>(axis), 0);
    node.emit(std::move(op));
    blob = out;
  }
}

// The resulting shape is said: dimensions that the input has anyway may be left out or 1.
void expand(OnnxNode& node, std::string_view target) {
  const Shape& input = node.shape(0);
  Shape shape = node.known_integers(1);
  if (shape.size() < input.size()) shape.insert(shape.begin(), input.size() - shape.size(), 1);
  const size_t offset = shape.size() - input.size();
  for (size_t dim = 0; dim < input.size(); ++dim) {
    if (shape[offset + dim] == 1) shape[offset + dim] = input[dim];
  }
  if (shape == input) return node.pass();
  Operator op = node.as(target, {0});
  op.args.push_back(integers_argument("shape", std::move(shape)));
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"Concat", "Concat", concat},
    {"Expand", "Expand", expand},
    {"Gather", "Gather", gather},
    {"GatherElements", "GatherElements", gather},
    {"GatherND", "GatherND", gather_nd},
    {"Scatter", "ScatterElements", scatter_elements},
    {"ScatterElements", "ScatterElements", scatter_elements},
    {"ScatterND", "ScatterND", scatter_nd},
    {"Slice", "Slice", slice},
    {"Split", "Split", split},
    {"Tile", "Tile", tile},
    {"Trilu", "Trilu", triangle},
};

void write_concat(NodeWriter& writer, std::string_view target) {
  const Arguments& args = writer.args();
  if (args.flag("add_axis")) writer.fail("Concat must not add an axis: ONNX's does not");
  set_integer(writer.add(target), "axis", writer.axis(join_axis(args)));
}

void write_split(NodeWriter& writer, std::string_view target) {
  const Arguments& args = writer.args();
  if (args.flag("add_axis")) writer.fail("Split must not drop an axis: ONNX's does not");
  const int64_t axis = writer.axis(join_axis(args));
  std::vector<std::string> outputs;
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < writer.num_outputs(); ++i) {
    outputs.push_back(writer.output(i));
    lengths.push_back(writer.output_shape(i)[static_cast<size_t>(axis)]);
  }
  set_integer(writer.add(target, {writer.input(0), writer.integers(lengths)}, std::move(outputs)), "axis",
              axis);
}

// In Caffe2 -1 is the end, and -2 the last element.
void write_slice(NodeWriter& writer, std::string_view target) {
  if (writer.num_inputs() > 1) writer.fail("the bounds of a slice must be arguments");
  const Shape& shape = writer.shape(0);
  const std::vector<int64_t> starts = writer.args().integers("starts");
  const std::vector<int64_t> ends = writer.args().integers("ends");
  std::vector<int64_t> steps = writer.args().integers("steps");
  steps.resize(starts.size(), 1);
  std::vector<int64_t> axes;
  std::vector<int64_t> first;
  std::vector<int64_t> last;
  std::vector<int64_t> strides;
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto bound = [dim = shape[i]](int64_t value) {
      return std::min(value < 0 ? dim + 1 + value : value, dim);
    };
    const int64_t start = bound(starts[i]);
    const int64_t end = bound(ends[i]);
    if (start == 0 && end == shape[i] && steps[i] == 1) continue;
    axes.push_back(static_cast<int64_t>(i));
    // Backwards it goes from the last element to before the first.
    first.push_back(steps[i] > 0 ? start : end - 1);
    last.push_back(steps[i] > 0 ? end : start - 1 - (start == 0 ? shape[i] : 0));
    strides.push_back(steps[i]);
  }
  if (axes.empty()) {
    writer.add("Identity", {writer.input(0)}, {writer.output()});
    return;
  }
  writer.add(target,
             {writer.input(0), writer.integers(first), writer.integers(last), writer.integers(axes),
              writer.integers(strides)},
             {writer.output()});
}

void write_gather(NodeWriter& writer, std::string_view target) {
  set_integer(writer.add(target), "axis", writer.axis(writer.args().integer("axis", 0)));
}

void write_gather_nd(NodeWriter& writer, std::string_view target) {
  set_integer(writer.add(target), "batch_dims", writer.args().integer("batch_dims", 0));
}

void write_scatter(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(target);
  if (target == "ScatterElements") set_integer(node, "axis", writer.axis(writer.args().integer("axis", 0)));
  const std::string_view reduction = writer.args().text("reduction", "none");
  if (reduction != "none") set_text(node, "reduction", reduction);
}

void write_triangle(NodeWriter& writer, std::string_view target) {
  const auto diagonal = static_cast<double>(writer.args().integer("k", 0));
  onnx::NodeProto& node =
      writer.add(target, {writer.input(0), writer.scalar(diagonal, DataType::kInt64)}, {writer.output()});
  set_integer(node, "upper", writer.args().integer("upper", 1));
}

void write_tile(NodeWriter& writer, std::string_view target) {
  std::vector<int64_t> repeats;
  for (size_t i = 0; i < writer.shape(0).size(); ++i) {
    repeats.push_back(writer.output_shape()[i] / std::max<int64_t>(writer.shape(0)[i], 1));
  }
  writer.add(target, {writer.input(0), writer.integers(repeats)}, {writer.output()});
}

void write_expand(NodeWriter& writer, std::string_view target) {
  writer.add(target, {writer.input(0), writer.integers(writer.output_shape())}, {writer.output()});
}

constexpr WritingRow kWriting[] = {
    {"Concat", "Concat", write_concat, Dimensions::kImage},
    {"DepthConcat", "Concat", write_concat, Dimensions::kImage},
    {"DepthSplit", "Split", write_split, Dimensions::kImage},
    {"Expand", "Expand", write_expand},
    {"Gather", "Gather", write_gather},
    {"GatherElements", "GatherElements", write_gather},
    {"GatherND", "GatherND", write_gather_nd},
    {"ScatterElements", "ScatterElements", write_scatter},
    {"ScatterND", "ScatterND", write_scatter},
    {"Slice", "Slice", write_slice},
    {"Split", "Split", write_split, Dimensions::kImage},
    {"Tile", "Tile", write_tile},
    {"Trilu", "Trilu", write_triangle},
};

}  // namespace

std::span<const LoweringRow> join_lowering() { return kLowering; }
std::span<const WritingRow> join_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
