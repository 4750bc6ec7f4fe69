// Image tensors and their weights: the first dimension, the channels and the spatial dimensions, in either
// order.

#pragma once

#include "op_context.h"

namespace latgrad::net::ops {

struct Image {
  int64_t batch;  // of a weight: the first dimension
  int64_t channels;
  Shape spatial;
};

// Precondition: at least three dimensions.
Image split_image(const Shape& shape, Order order);
Shape join_image(const Image& image, Order order);

}  // namespace latgrad::net::ops
