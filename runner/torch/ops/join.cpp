// Joining, cutting and picking, of whatever type. Slice and Split give views of the input, as torch does.

#include <ATen/TensorIndexing.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

void check_one_input(const lut::OperatorKey& key) {
  if (key.input_shapes.size() > 1) {
    throw ValueError(key.op_type + " is measured with one input alone, got " +
                     std::to_string(key.input_shapes.size()));
  }
}

Kernel make_concat(const lut::OperatorKey& key, const Target& target) {
  const size_t rank = input_shape(key, 0).size();
  const bool add_axis = arguments(key).integer("add_axis", 0) != 0;
  const bool channels_last = target.channels_last && rank == 4 && !add_axis;
  Kernel kernel{.channels_last = channels_last};
  for (size_t index = 0; index < key.input_shapes.size(); ++index) {
    kernel.activations.push_back(activation(key, index, channels_last));
  }
  const int64_t axis = torch_axis(net::join_axis(arguments(key)), rank + (add_axis ? 1 : 0), channels_last);
  kernel.run = [=](const std::vector<T>& x) { return add_axis ? at::stack(x, axis) : at::cat(x, axis); };
  return kernel;
}

Kernel make_split(const lut::OperatorKey& key, const Target& target) {
  check_one_input(key);
  const std::vector<int64_t> lengths = arguments(key).integers("split");
  if (lengths.empty()) {
    throw ValueError(
        "a split must have the argument split to be measured: the key does not define its outputs");
  }
  if (arguments(key).integer("add_axis", 0) != 0)
    throw ValueError("add_axis must be 0 for a split to be measured");
  const Activation input = activation(key, 0, target.channels_last);
  const int64_t axis = torch_axis(net::join_axis(arguments(key)), input.shape.size(), input.channels_last);
  return {.activations = {input},
          .run = [=](const std::vector<T>& x) { return at::split_with_sizes(x[0], lengths, axis).front(); },
          .channels_last = target.channels_last};
}

Kernel make_slice(const lut::OperatorKey& key, const Target& target) {
  check_one_input(key);
  struct Bounds {
    int64_t axis, start, end, step;
  };
  const Activation input = activation(key, 0, target.channels_last);
  const std::vector<int64_t> starts = arguments(key).integers("starts");
  const std::vector<int64_t> ends = arguments(key).integers("ends");
  if (starts.size() != ends.size() || starts.size() > input.shape.size()) {
    throw ValueError("starts and ends must have as many values, and no more than " +
                     net::to_string(input.shape) + " has dimensions");
  }
  std::vector<int64_t> steps = arguments(key).integers("steps");
  if (steps.empty()) steps.assign(starts.size(), 1);
  std::vector<Bounds> cuts;
  std::vector<int64_t> turned;  // torch has no negative steps
  for (size_t dim = 0; dim < starts.size(); ++dim) {
    // -1 is the end, not the last element.
    const auto bound = [size = input.shape[dim]](int64_t value) {
      return std::min(value < 0 ? size + 1 + value : value, size);
    };
    const Bounds cut{torch_axis(static_cast<int64_t>(dim), input.shape.size(), input.channels_last),
                     bound(starts[dim]), bound(ends[dim]), std::abs(steps.at(dim))};
    if (cut.start != 0 || cut.end != input.shape[dim] || cut.step != 1) cuts.push_back(cut);
    if (steps[dim] < 0) turned.push_back(cut.axis);
  }
  return {.activations = {input},
          .run =
              [cuts, turned](const std::vector<T>& x) {
                T part = x[0];
                for (const Bounds& cut : cuts) part = at::slice(part, cut.axis, cut.start, cut.end, cut.step);
                return turned.empty() ? part : part.flip(turned);
              },
          .channels_last = target.channels_last};
}

// The indices are the kernel's own: any will do that are there.
Kernel make_gather(const lut::OperatorKey& key, const Target& target) {
  const Activation data = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 0), data.shape.size(), false);
  const net::Shape& indices_shape = input_shape(key, 1);
  const int64_t size = data.shape[static_cast<size_t>(axis)];
  const T indices = at::randint(std::max<int64_t>(size, 1), {net::num_elements(indices_shape)}, at::kLong);
  net::Shape shape = data.shape;
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, indices_shape.begin(), indices_shape.end());
  return {.activations = {data}, .run = [=, indices = to_device(indices, target)](const std::vector<T>& x) {
            return at::index_select(x[0], axis, indices).reshape(shape);
          }};
}

// For the first dimensions of the data, an index for each entry that GatherND or ScatterND picks: the batch's
// own, and any for those that the indices, [..., depth], go into.
std::vector<at::indexing::TensorIndex> random_entries(const lut::OperatorKey& key, int64_t batch_dims,
                                                      const Target& target) {
  const net::Shape& data = input_shape(key, 0);
  net::Shape entries = input_shape(key, 1);
  const int64_t depth = entries.back();
  entries.pop_back();
  std::vector<at::indexing::TensorIndex> indices;
  for (int64_t dim = 0; dim < batch_dims; ++dim) {
    std::vector<int64_t> shape(entries.size(), 1);
    shape[static_cast<size_t>(dim)] = entries[static_cast<size_t>(dim)];
    indices.emplace_back(to_device(at::arange(entries[static_cast<size_t>(dim)]).reshape(shape), target));
  }
  for (int64_t dim = batch_dims; dim < batch_dims + depth; ++dim) {
    const int64_t size = std::max<int64_t>(data[static_cast<size_t>(dim)], 1);
    indices.emplace_back(to_device(at::randint(size, entries, at::kLong), target));
  }
  return indices;
}

Kernel make_gather_nd(const lut::OperatorKey& key, const Target& target) {
  infer_alone(key);  // checks the shapes
  const int64_t batch_dims = arguments(key).integer("batch_dims", 0);
  return {.activations = {activation(key, 0, false)},
          .run = [entries = random_entries(key, batch_dims, target)](const std::vector<T>& x) {
            return x[0].index(entries);
          }};
}

Kernel make_scatter_nd(const lut::OperatorKey& key, const Target& target) {
  infer_alone(key);
  if (arguments(key).text("reduction", "none") != "none") {
    throw ValueError("the reduction of ScatterND must be none to be measured");
  }
  return {.activations = {activation(key, 0, false), activation(key, 2, false)},
          .run = [entries = random_entries(key, 0, target)](const std::vector<T>& x) {
            T scattered = x[0].clone();
            return scattered.index_put_(entries, x[1]);
          }};
}

// Along an axis, one for each element.
T random_elements(const lut::OperatorKey& key, int64_t axis, const Target& target) {
  const int64_t size = std::max<int64_t>(input_shape(key, 0)[static_cast<size_t>(axis)], 1);
  return to_device(at::randint(size, input_shape(key, 1), at::kLong), target);
}

Kernel make_gather_elements(const lut::OperatorKey& key, const Target& target) {
  infer_alone(key);
  const Activation data = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 0), data.shape.size(), false);
  return {.activations = {data},
          .run = [axis, indices = random_elements(key, axis, target)](const std::vector<T>& x) {
            return x[0].gather(axis, indices);
          }};
}

Kernel make_scatter_elements(const lut::OperatorKey& key, const Target& target) {
  infer_alone(key);
  const Activation data = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 0), data.shape.size(), false);
  if (arguments(key).text("reduction", "none") != "none") {
    throw ValueError("the reduction of ScatterElements must be none to be measured");
  }
  return {.activations = {data, activation(key, 2, false)},
          .run = [axis, indices = random_elements(key, axis, target)](const std::vector<T>& x) {
            return x[0].scatter(axis, indices, x[1]);
          }};
}

Kernel make_triangle(const lut::OperatorKey& key, const Target&) {
  const bool upper = arguments(key).integer("upper", 1) != 0;
  const int64_t diagonal = arguments(key).integer("k", 0);
  return {.activations = {activation(key, 0, false)}, .run = [=](const std::vector<T>& x) {
            return upper ? at::triu(x[0], diagonal) : at::tril(x[0], diagonal);
          }};
}

Kernel make_tile(const lut::OperatorKey& key, const Target&) {
  check_one_input(key);
  const Activation input = activation(key, 0, false);
  std::vector<int64_t> repeats(input.shape.size(), 1);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 0), repeats.size(), false);
  repeats[static_cast<size_t>(axis)] = arguments(key).integer("tiles", 1);
  return {.activations = {input}, .run = [repeats](const std::vector<T>& x) { return x[0].repeat(repeats); }};
}

// A view, as torch gives.
Kernel make_expand(const lut::OperatorKey& key, const Target&) {
  check_one_input(key);
  return {.activations = {activation(key, 0, false)},
          .run = [shape = infer_alone(key).ops[0].outputs[0].shape](const std::vector<T>& x) {
            return x[0].expand(shape);
          }};
}

}  // namespace

std::span<const KernelEntry> join_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Concat", make_concat},        {"DepthConcat", make_concat},
      {"DepthSplit", make_split},     {"Expand", make_expand},
      {"Gather", make_gather},        {"GatherElements", make_gather_elements},
      {"GatherND", make_gather_nd},   {"ScatterElements", make_scatter_elements},
      {"ScatterND", make_scatter_nd}, {"Slice", make_slice},
      {"Split", make_split},          {"Tile", make_tile},
      {"Trilu", make_triangle},       {"Int8Concat", make_concat},
      {"Int8Slice", make_slice},
  };
  return kKernels;
}

}  // namespace latgrad::runner
