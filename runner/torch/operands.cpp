#include "operands.h"

// The inputs of arithmetic: several tensors of one shape, or two, the second stretched to the first.
// Source: caffe2/operators/elementwise_ops.h.

#include <algorithm>
#include <string>

#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

void pad_front(net::Shape& shape, size_t rank) {
  if (shape.size() < rank) shape.insert(shape.begin(), rank - shape.size(), 1);
}

// `broadcast: 1`: the second input is a contiguous part of the first, from `axis` on.
size_t legacy_axis(const lut::OperatorKey& key, size_t rank, size_t other_rank) {
  if (other_rank > rank) {
    throw ValueError("the second input must not have more dimensions than the first, got " +
                     net::to_string(key.input_shapes[0]) + " and " + net::to_string(key.input_shapes[1]));
  }
  const size_t last = rank - other_rank;
  if (std::string_view letter = arguments(key).text("axis_str", ""); letter.size() == 1) {
    const size_t at = std::string_view(is_nhwc(key) ? "NHWC" : "NCHW").find(letter);
    if (at <= last) return at;
  }
  const int64_t axis = arguments(key).integer("axis", -1);
  if (axis < 0) return last;
  if (static_cast<size_t>(axis) > last) {
    throw ValueError("axis must be at most " + std::to_string(last) + ", got " + std::to_string(axis));
  }
  return static_cast<size_t>(axis);
}

}  // namespace

Kernel broadcast(const lut::OperatorKey& key, const Target& target) {
  Activation a = activation(key, 0, false);
  Activation b = activation(key, 1, false);
  if (arguments(key).integer("broadcast", 0) != 0) {
    if (net::num_elements(b.shape) == 1) b.shape.clear();
    const size_t axis = legacy_axis(key, a.shape.size(), b.shape.size());
    b.shape.insert(b.shape.end(), a.shape.size() - axis - b.shape.size(), 1);
  }
  const size_t rank = std::max(a.shape.size(), b.shape.size());
  pad_front(a.shape, rank);
  pad_front(b.shape, rank);
  a.channels_last = b.channels_last = target.channels_last && rank == 4;
  return {.activations = {a, b}, .channels_last = target.channels_last};
}

Kernel follow_all(const lut::OperatorKey& key, const Target& target, size_t least) {
  Kernel kernel{.channels_last = target.channels_last};
  input_shape(key, least - 1);
  for (size_t index = 0; index < key.input_shapes.size(); ++index) {
    kernel.activations.push_back(activation(key, index, target.channels_last));
    if (key.input_shapes[index] != key.input_shapes[0]) {
      throw ValueError("all inputs must have the shape of the first " + net::to_string(key.input_shapes[0]) +
                       ", got " + net::to_string(key.input_shapes[index]));
    }
  }
  return kernel;
}

}  // namespace latgrad::runner
