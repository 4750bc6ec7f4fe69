// What the arguments of an operator say, whatever their spelling:
//
//   SpatialArgs args = spatial_args(key);   // kernel, kernels, kernel_h and kernel_w alike
//   at::conv2d(x, w, b, args.stride, args.pad, args.dilation, args.group);
//
// Thread-safe: no state.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "latgrad/lut/operator_key.h"

namespace latgrad::runner {

// The argument of that name and kind, or `otherwise`.
int64_t int_arg(const lut::OperatorKey& key, std::string_view name, int64_t otherwise);
double float_arg(const lut::OperatorKey& key, std::string_view name, double otherwise);
std::vector<int64_t> ints_arg(const lut::OperatorKey& key, std::string_view name);  // empty: none
std::string_view string_arg(const lut::OperatorKey& key, std::string_view name, std::string_view otherwise);
bool has_arg(const lut::OperatorKey& key, std::string_view name);

bool is_int8(const lut::OperatorKey& key);  // by its type

// Whether its images are [n, h, w, c]: by the argument `order`; without it int8 operators are, others not.
// Errors: ValueError for an order other than NCHW and NHWC.
bool is_nhwc(const lut::OperatorKey& key);

// Per spatial dimension, heads before tails: of an image top, left, bottom, right.
struct SpatialArgs {
  std::vector<int64_t> kernel;    // ones unless given
  std::vector<int64_t> stride;    // likewise
  std::vector<int64_t> dilation;  // likewise
  std::vector<int64_t> pads;      // zeros unless given; heads, then tails
  std::vector<int64_t> adj;       // of a transposed convolution; zeros unless given
  int64_t group = 1;
  bool nhwc = false;
  bool global_pooling = false;  // the kernel is the whole image

  bool is_symmetric() const;
  // Padding by dimension, as kernels take it.
  // Errors: ValueError where the two sides of a dimension differ.
  std::vector<int64_t> symmetric_pad() const;
};

// Errors: ValueError for a value below 1 (below 0 for pads and adj), a list of the wrong length, an order
// other than NCHW and NHWC, a legacy_pad (its padding is computed from the shape, which no kernel here does).
SpatialArgs spatial_args(const lut::OperatorKey& key, size_t spatial_rank = 2);

}  // namespace latgrad::runner
