// Computes the elements of small tensors, whose values shape inference follows.

#pragma once

#include <cstddef>
#include <optional>

#include "latgrad/net/net.h"

namespace latgrad::net::ops {

// The elements of a tensor of that shape, in order: `element(index)` of each. Nothing for more than are
// followed.
template <typename Element>
std::optional<Values> make_elements(const Shape& shape, const Element& element) {
  const int64_t count = num_elements(shape);
  if (count > static_cast<int64_t>(kMaxValues)) return std::nullopt;
  Values values;
  Shape index(shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(element(index));
    for (size_t dim = shape.size(); dim-- > 0;) {
      if (++index[dim] < shape[dim]) break;
      index[dim] = 0;
    }
  }
  return values;
}

// The element of a tensor at an index.
inline double element_of(const Values& values, const Shape& shape, const Shape& index) {
  size_t at = 0;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    at = at * static_cast<size_t>(shape[dim]) + static_cast<size_t>(index[dim]);
  }
  return values[at];
}

// The same at an index of a tensor that this one is stretched to, as numpy broadcasts: dimensions in front do
// not count, and one of 1 stands for all.
inline double element_at(const Values& values, const Shape& shape, const Shape& index) {
  Shape own(index.end() - static_cast<std::ptrdiff_t>(shape.size()), index.end());
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (shape[dim] == 1) own[dim] = 0;
  }
  return element_of(values, shape, own);
}

}  // namespace latgrad::net::ops
