// Joining, cutting and picking: Concat, Split, Slice, Tile, Expand, gathering and scattering by indices.
// Source: caffe2/operators/{concat_split_op,slice_op,gather_op,tile_op}.h, quantized/int8_concat_op.h; ONNX
// for what Caffe2 lacks.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "elements.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

// The values of all inputs, one behind the other along `axis`, which may be one of its own.
void follow_joined(OpContext& ctx, size_t axis, bool add_axis) {
  for (size_t i = 0; i < ctx.num_inputs(); ++i) {
    if (ctx.values(i) == nullptr) return;
  }
  const auto at = static_cast<std::ptrdiff_t>(axis);
  ctx.set_values(make_elements(ctx.outputs()[0].shape, [&](Shape index) {
    size_t input = 0;
    if (add_axis) {
      input = static_cast<size_t>(index[axis]);
      index.erase(index.begin() + at);
    } else {
      while (index[axis] >= ctx.activation(input).shape[axis]) {
        index[axis] -= ctx.activation(input++).shape[axis];
      }
    }
    return element_of(*ctx.values(input), ctx.activation(input).shape, index);
  }));
}

void concat(OpContext& ctx) {
  const bool add_axis = ctx.args().integer("add_axis", 0) != 0;
  Shape shape = ctx.activation(0, add_axis ? 0 : 1).shape;
  const size_t axis = ctx.axis(join_axis(ctx.args()), shape.size() + (add_axis ? 1 : 0), "axis");
  const Shape first = shape;
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    const Shape& other = ctx.activation(i).shape;
    Shape expected = first;
    if (!add_axis && other.size() == first.size()) expected[axis] = other[axis];
    if (other != expected) {
      ctx.fail_at_input(
          i, fmt::format("inputs must agree in all dimensions{}, got {} and {}",
                         add_axis ? "" : fmt::format(" but {}", axis), to_string(first), to_string(other)));
    }
    if (!add_axis) shape[axis] += other[axis];
  }
  const int64_t count = static_cast<int64_t>(ctx.num_inputs());
  if (add_axis) shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), count);
  ctx.add_output(std::move(shape));
  follow_joined(ctx, axis, add_axis);
  // split_info: what Split needs to undo this.
  if (ctx.num_outputs() > 1) ctx.add_output({{count}, DataType::kInt32});
}

void split(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(join_axis(ctx.args()), input.size(), "axis");
  const int64_t count = static_cast<int64_t>(ctx.num_outputs());
  std::vector<int64_t> lengths =
      ctx.num_inputs() > 1 ? ctx.known_integers(1, "the lengths of a split") : ctx.args().integers("split");
  if (lengths.empty()) {
    if (input[axis] % count != 0) {
      ctx.fail(
          fmt::format("dimension {} of {} must split evenly into {} outputs", axis, to_string(input), count));
    }
    lengths.assign(ctx.num_outputs(), input[axis] / count);
  }
  if (lengths.size() != ctx.num_outputs()) {
    ctx.fail_at_arg("split", fmt::format("split must have one length for each of the {} outputs, got {}",
                                         count, to_string(lengths)));
  }
  int64_t sum = 0;
  for (const int64_t length : lengths) {
    if (length < 0) {
      ctx.fail_at_arg("split", fmt::format("split must not be negative, got {}", to_string(lengths)));
    }
    if (length > kMaxDim) {
      ctx.fail_at_arg("split", fmt::format("split must fit 32 bits, got {}", to_string(lengths)));
    }
    sum += length;
  }
  if (sum != input[axis]) {
    ctx.fail_at_arg("split", fmt::format("split must sum up to dimension {} of {}, got {}", axis,
                                         to_string(input), to_string(lengths)));
  }
  const bool drop_axis = ctx.args().integer("add_axis", 0) != 0;
  std::ptrdiff_t first = 0;
  for (const int64_t length : lengths) {
    Shape part = input;
    part[axis] = length;
    if (drop_axis) {
      if (length != 1)
        ctx.fail_at_arg("add_axis", fmt::format("add_axis must leave length 1, got {}", length));
      part.erase(part.begin() + static_cast<std::ptrdiff_t>(axis));
    }
    ctx.add_output(std::move(part));
    if (const Values* values = ctx.values(0); values != nullptr && input.size() == 1) {
      ctx.set_values(Values(values->begin() + first, values->begin() + first + length));
    }
    first += length;
  }
}

void slice(OpContext& ctx) {
  Shape shape = ctx.activation(0).shape;
  if (ctx.num_inputs() == 2) ctx.fail("Slice must have 1 or 3 inputs, got 2");
  const bool has_inputs = ctx.num_inputs() > 1;
  const std::vector<int64_t> starts =
      has_inputs ? ctx.known_integers(1, "the bounds of a slice") : ctx.args().integers("starts");
  const std::vector<int64_t> ends =
      has_inputs ? ctx.known_integers(2, "the bounds of a slice") : ctx.args().integers("ends");
  if (starts.empty() || starts.size() != ends.size() || starts.size() > shape.size()) {
    ctx.fail_at_arg("starts", fmt::format("starts and ends must have as many values, and no more than {} has "
                                          "dimensions, got {} and {}",
                                          to_string(shape), to_string(starts), to_string(ends)));
  }
  // ONNX's: every so many elements; negative ones go from the end to the start.
  std::vector<int64_t> steps = ctx.args().integers("steps");
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (steps.size() != starts.size() || std::ranges::find(steps, 0) != steps.end()) {
    ctx.fail_at_arg("steps", fmt::format("steps must have {} values, none of them 0, got {}", starts.size(),
                                         to_string(steps)));
  }
  const Shape input = shape;
  Shape first(shape.size(), 0);
  for (size_t i = 0; i < starts.size(); ++i) {
    // -1 is the end, not the last element.
    const auto bound = [dim = shape[i]](int64_t value) {
      return std::min(value < 0 ? dim + 1 + value : value, dim);
    };
    const int64_t start = bound(starts[i]);
    const int64_t end = bound(ends[i]);
    if (start < 0 || end < start) {
      ctx.fail_at_arg("ends",
                      fmt::format("a slice must not end before it starts, got [{}, {}) of dimension {} of {}",
                                  starts[i], ends[i], i, to_string(ctx.activation(0).shape)));
    }
    const int64_t step = std::min(std::abs(steps[i]), kMaxDim);
    shape[i] = (end - start + step - 1) / step;
    first[i] = steps[i] > 0 ? start : end - 1;
  }
  ctx.add_output(shape);
  const Values* values = ctx.values(0);
  if (values == nullptr) return;
  steps.resize(shape.size(), 1);
  ctx.set_values(make_elements(shape, [&](Shape index) {
    for (size_t dim = 0; dim < index.size(); ++dim) index[dim] = first[dim] + index[dim] * steps[dim];
    return element_of(*values, input, index);
  }));
}

// The input stretched to a shape, as numpy broadcasts it.
void expand(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const bool is_given = ctx.num_inputs() == 1;
  const Shape wanted = is_given ? ctx.args().integers("shape") : ctx.known_integers(1, "the shape of Expand");
  Shape shape(std::max(input.size(), wanted.size()), 1);
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t from_end = shape.size() - i;
    const int64_t had = from_end <= input.size() ? input[input.size() - from_end] : 1;
    // -1 keeps what is there.
    const int64_t given = from_end <= wanted.size() ? wanted[wanted.size() - from_end] : 1;
    const int64_t asked = given == -1 ? had : given;
    if (asked < 0 || (asked != had && asked != 1 && had != 1)) {
      ctx.fail_at_arg("shape", fmt::format("shape must broadcast with the input {}, got {}", to_string(input),
                                           to_string(wanted)));
    }
    shape[i] = had == 1 ? asked : had;
  }
  ctx.product(shape, 0, shape.size());
  ctx.add_output(shape);
  if (const Values* values = ctx.values(0); values != nullptr) {
    ctx.set_values(make_elements(
        shape, [&](const Shape& index) { return element_at(*values, ctx.activation(0).shape, index); }));
  }
}

// Entries of the data along an axis, one for each index.
void gather(OpContext& ctx) {
  const Shape& data = ctx.activation(0, 1).shape;
  const Shape& indices = ctx.activation(1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", 0), data.size(), "axis");
  Shape shape = data;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), indices.begin(), indices.end());
  ctx.add_output(shape);
  const Values* values = ctx.values(0);
  if (values == nullptr || ctx.values(1) == nullptr) return;
  std::vector<int64_t> chosen = ctx.known_integers(1, "the indices");
  const int64_t size = data[axis];
  for (int64_t& index : chosen) {
    if (index < 0) index += size;
    if (index < 0 || index >= size) {
      ctx.fail_at_input(1, fmt::format("an index must be below {}, got {}", size, index));
    }
  }
  const auto before = static_cast<std::ptrdiff_t>(axis);
  const auto behind = before + static_cast<std::ptrdiff_t>(indices.size());
  ctx.set_values(make_elements(shape, [&](const Shape& index) {
    size_t which = 0;
    for (size_t dim = 0; dim < indices.size(); ++dim) {
      which = which * static_cast<size_t>(indices[dim]) + static_cast<size_t>(index[axis + dim]);
    }
    Shape source(index.begin(), index.begin() + before);
    source.push_back(chosen[which]);
    source.insert(source.end(), index.begin() + behind, index.end());
    return element_of(*values, data, source);
  }));
}

// How many dimensions of the data an index of GatherND or ScatterND goes into.
size_t index_depth(const OpContext& ctx, size_t batch_dims) {
  const Shape& data = ctx.activation(0, 1).shape;
  const Shape& indices = ctx.activation(1, 1).shape;
  const int64_t depth = indices.back();
  if (depth < 1 || static_cast<size_t>(depth) > data.size() - batch_dims) {
    ctx.fail_at_input(1, fmt::format("the last dimension of the indices must be from 1 to {}, got {}",
                                     data.size() - batch_dims, to_string(indices)));
  }
  return static_cast<size_t>(depth);
}

// What the indices, [..., depth], leave of the data.
Shape picked(const OpContext& ctx, size_t batch_dims) {
  const Shape& data = ctx.activation(0).shape;
  const Shape& indices = ctx.activation(1).shape;
  Shape shape(indices.begin(), indices.end() - 1);
  const size_t first = batch_dims + index_depth(ctx, batch_dims);
  shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(first), data.end());
  return shape;
}

// An entry of the data for each index into its first dimensions.
void gather_nd(OpContext& ctx) {
  const Shape& data = ctx.activation(0, 1).shape;
  const Shape& indices = ctx.activation(1, 1).shape;
  const int64_t batch_dims = ctx.args().integer("batch_dims", 0);
  const size_t most = std::min(data.size(), indices.size());
  if (batch_dims < 0 || static_cast<size_t>(batch_dims) >= most) {
    ctx.fail_at_arg("batch_dims",
                    fmt::format("batch_dims must be from 0 to {}, got {}", most - 1, batch_dims));
  }
  if (!std::equal(data.begin(), data.begin() + batch_dims, indices.begin())) {
    ctx.fail_at_input(1, fmt::format("data and indices must agree in the first {} dimensions, got {} and {}",
                                     batch_dims, to_string(data), to_string(indices)));
  }
  ctx.add_output(picked(ctx, static_cast<size_t>(batch_dims)));
}

// Along an axis, an element of the data for each index: as many dimensions in all of them.
void check_elements(const OpContext& ctx) {
  const Shape& data = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", 0), data.size(), "axis");
  if (ctx.activation(1).shape.size() != data.size()) {
    ctx.fail_at_input(1, fmt::format("the indices must have as many dimensions as the data {}, got {}",
                                     to_string(data), to_string(ctx.activation(1).shape)));
  }
  for (size_t dim = 0; dim < data.size(); ++dim) {
    if (dim != axis && ctx.activation(1).shape[dim] > data[dim]) {
      ctx.fail_at_input(1,
                        fmt::format("the indices must not reach beyond the data {} in dimension {}, got {}",
                                    to_string(data), dim, to_string(ctx.activation(1).shape)));
    }
  }
}

void gather_elements(OpContext& ctx) {
  check_elements(ctx);
  ctx.add_output(ctx.activation(1).shape);
}

// The data with the updates in their places.
void scattered(OpContext& ctx, const Shape& expected) {
  if (ctx.activation(2).shape != expected) {
    ctx.fail_at_input(2, fmt::format("the updates must be {}, got {}", to_string(expected),
                                     to_string(ctx.activation(2).shape)));
  }
  ctx.add_output(ctx.activation(0).shape);
}

void scatter_nd(OpContext& ctx) { scattered(ctx, picked(ctx, 0)); }

void scatter_elements(OpContext& ctx) {
  check_elements(ctx);
  scattered(ctx, ctx.activation(1).shape);
}

// The upper or lower triangle of the last two dimensions.
void triangle(OpContext& ctx) { ctx.add_output(ctx.activation(0, 2)); }

// One whole number, from the argument or from the input that stands for it.
int64_t argument_or_input(const OpContext& ctx, const char* name, int64_t otherwise, size_t input) {
  if (ctx.num_inputs() <= input) return ctx.args().integer(name, otherwise);
  const std::vector<int64_t> values = ctx.known_integers(input, name);
  if (values.size() != 1) {
    ctx.fail_at_input(input, fmt::format("{} must be one number, got {}", name, values.size()));
  }
  return values[0];
}

// The input so many times in a row along an axis.
void tile(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const int64_t tiles = argument_or_input(ctx, "tiles", 1, 1);
  const size_t axis = ctx.axis(argument_or_input(ctx, "axis", 0, 2), shape.size(), "axis");
  if (tiles < 0) ctx.fail_at_arg("tiles", fmt::format("tiles must not be negative, got {}", tiles));
  const Shape input = shape;
  shape[axis] = ctx.multiply(shape[axis], tiles);
  ctx.add_output(shape);
  if (const Values* values = ctx.values(0); values != nullptr) {
    ctx.set_values(make_elements(shape, [&](Shape index) {
      index[axis] %= input[axis];
      return element_of(*values, input, index);
    }));
  }
}

constexpr DefaultArgument kGather[] = {
    {"axis", int64_t{0}}, {"wrap_indices", int64_t{0}}, {"match_outer", int64_t{0}}};
constexpr DefaultArgument kAxisZero[] = {{"axis", int64_t{0}}};
constexpr DefaultArgument kBatchDims[] = {{"batch_dims", int64_t{0}}};
constexpr DataType kIndicesAndUpdates[] = {DataType::kInt64, DataType::kFloat};
constexpr DefaultArgument kTriangle[] = {{"upper", int64_t{1}}, {"k", int64_t{0}}};
constexpr DefaultArgument kTile[] = {{"tiles", int64_t{1}}, {"axis", int64_t{0}}};

constexpr OperatorType kRows[] = {
    {.type = "Concat",
     .inputs = {1, kAny},
     .outputs = {1, 2},
     .activations = kAll,
     .defaults = kNoAddedAxis,
     .infer = concat},
    {.type = "DepthConcat",
     .inputs = {1, kAny},
     .outputs = {1, 2},
     .activations = kAll,
     .defaults = kNoAddedAxis,
     .infer = concat},
    {.type = "DepthSplit",
     .inputs = {1, 2},
     .outputs = {1, kAny},
     .parameter_types = kIndices,
     .defaults = kNoAddedAxis,
     .infer = split},
    {.type = "Expand", .inputs = {1, 2}, .parameter_types = kLengths, .infer = expand},
    {.type = "Gather",
     .inputs = {2, 2},
     .activations = kAll,
     .parameter_types = kIndices,
     .defaults = kGather,
     .infer = gather},
    {.type = "GatherElements",
     .inputs = {2, 2},
     .activations = kAll,
     .parameter_types = kLengths,
     .defaults = kAxisZero,
     .infer = gather_elements},
    {.type = "GatherND",
     .inputs = {2, 2},
     .activations = kAll,
     .parameter_types = kLengths,
     .defaults = kBatchDims,
     .infer = gather_nd},
    {.type = "ScatterElements",
     .inputs = {3, 3},
     .activations = kAll,
     .parameter_types = kIndicesAndUpdates,
     .defaults = kAxisZero,
     .infer = scatter_elements},
    {.type = "ScatterND",
     .inputs = {3, 3},
     .activations = kAll,
     .parameter_types = kIndicesAndUpdates,
     .infer = scatter_nd},
    {.type = "Slice", .inputs = {1, 3}, .parameter_types = kLengths, .infer = slice},
    {.type = "Split",
     .inputs = {1, 2},
     .outputs = {1, kAny},
     .parameter_types = kIndices,
     .defaults = kNoAddedAxis,
     .infer = split},
    {.type = "Tile", .inputs = {1, 3}, .parameter_types = kIndices, .defaults = kTile, .infer = tile},
    {.type = "Trilu", .defaults = kTriangle, .infer = triangle},
    {.type = "Int8Concat",
     .inputs = {1, kAny},
     .outputs = {1, 2},
     .activations = kAll,
     .parameter_types = kQuantised,
     .defaults = kNoAddedAxis,
     .infer = concat},
    {.type = "Int8Slice", .inputs = {1, 3}, .parameter_types = kLengths, .infer = slice},
};

}  // namespace

std::span<const OperatorType> join_rows() { return kRows; }

}  // namespace latgrad::net::ops
