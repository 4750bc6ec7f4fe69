#include "operands.h"

#include <algorithm>

#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

void pad_front(net::Shape& shape, size_t rank) {
  if (shape.size() < rank) shape.insert(shape.begin(), rank - shape.size(), 1);
}

}  // namespace

Kernel broadcast(const lut::OperatorKey& key, const Target& target) {
  Activation a = activation(key, 0, false);
  Activation b = activation(key, 1, false);
  if (arguments(key).flag("broadcast")) {
    if (net::num_elements(b.shape) == 1) b.shape.clear();
    const size_t axis = net::broadcast_axis(arguments(key), a.shape.size(), b.shape.size());
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
