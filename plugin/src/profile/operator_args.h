// What the arguments of a convolution or pool say, whatever their spelling:
//
//   SpatialArgs args = spatial_args(key);   // kernel, kernels, kernel_h and kernel_w alike
//   at::conv2d(x, w, b, args.stride, args.pad, args.dilation, args.group);
//
// Thread-safe: no state.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "latgrad/lut/operator_key.h"

namespace latgrad::profile {

// The integer argument of that name, or `otherwise`.
int64_t int_arg(const lut::OperatorKey& key, std::string_view name, int64_t otherwise);

struct SpatialArgs {
  std::array<int64_t, 2> kernel = {1, 1};  // height, width
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> dilation = {1, 1};
  std::array<int64_t, 4> pads = {0, 0, 0, 0};  // top, left, bottom, right
  int64_t group = 1;
  bool nhwc = false;
  bool global_pooling = false;  // the kernel is the whole image

  // Padding by height and width, as kernels take it.
  // Errors: ValueError where the two sides of an axis differ.
  std::array<int64_t, 2> symmetric_pad() const;
};

// Errors: ValueError for a value below 1 (below 0 for padding), a list of the wrong length, an order other
// than NCHW and NHWC, a legacy_pad (its padding is computed from the shape, which no kernel here does).
SpatialArgs spatial_args(const lut::OperatorKey& key);

}  // namespace latgrad::profile
