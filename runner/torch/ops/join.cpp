// Joining and cutting, of whatever type. Slice and Split give views of the input, as torch does.

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
      {"Concat", make_concat},   {"DepthConcat", make_concat}, {"DepthSplit", make_split},
      {"Expand", make_expand},   {"Gather", make_gather},      {"Slice", make_slice},
      {"Split", make_split},     {"Tile", make_tile},          {"Int8Concat", make_concat},
      {"Int8Slice", make_slice},
  };
  return kKernels;
}

}  // namespace latgrad::runner
