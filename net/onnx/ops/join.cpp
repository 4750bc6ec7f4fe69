// Joining and cutting: Concat, Split, Slice, Gather, Tile, Expand.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"

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

constexpr LoweringRow kRows[] = {
    {"Concat", "Concat", concat}, {"Expand", "Expand", expand}, {"Gather", "Gather", gather},
    {"Slice", "Slice", slice},    {"Split", "Split", split},    {"Tile", "Tile", tile},
};

}  // namespace

std::span<const LoweringRow> join_lowering() { return kRows; }

}  // namespace latgrad::net::onnx_ops
