#include "image.h"

namespace latgrad::net::ops {

Image split_image(const Shape& shape, Order order) {
  if (order == Order::kNchw) return {shape[0], shape[1], Shape(shape.begin() + 2, shape.end())};
  return {shape[0], shape.back(), Shape(shape.begin() + 1, shape.end() - 1)};
}

Shape join_image(const Image& image, Order order) {
  Shape shape = {image.batch};
  if (order == Order::kNchw) shape.push_back(image.channels);
  shape.insert(shape.end(), image.spatial.begin(), image.spatial.end());
  if (order == Order::kNhwc) shape.push_back(image.channels);
  return shape;
}

}  // namespace latgrad::net::ops
