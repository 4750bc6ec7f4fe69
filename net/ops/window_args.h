// The sliding window that convolutions and pools share: kernel, stride, padding, dilation.

#pragma once

#include <vector>

#include "op_context.h"

namespace latgrad::net::ops {

// Source: caffe2/proto/caffe2_legacy.proto.
enum class LegacyPad { kNotSet = 0, kValid = 1, kSame = 2, kCaffePooling = 3 };

struct WindowArgs {
  std::vector<int64_t> kernel;    // one per spatial dimension
  std::vector<int64_t> stride;    // likewise
  std::vector<int64_t> dilation;  // likewise
  std::vector<int64_t> pads;      // all heads, then all tails: t, l, b, r
  LegacyPad legacy_pad = LegacyPad::kNotSet;
};

// One value per spatial dimension in any spelling: `kernels`, `kernel`, `kernel_h` with `kernel_w`;
// `otherwise` where there is none. `plural` and `singular` name the argument.
std::vector<int64_t> spatial_arg(const OpContext& ctx, std::string_view plural, std::string_view singular,
                                 size_t spatial_rank, int64_t otherwise);

// Heads, then tails: `pads`, `pad`, or `pad_t`, `pad_l`, `pad_b`, `pad_r`.
std::vector<int64_t> pads_arg(const OpContext& ctx, size_t spatial_rank);

// Explicit pads beside VALID or SAME are an error, as in Caffe2.
LegacyPad legacy_pad_arg(const OpContext& ctx);

// All of it. Errors: NetError for a missing kernel, a kernel, stride or dilation below 1, a pad below 0.
WindowArgs window_args(const OpContext& ctx, size_t spatial_rank);

// How often the window fits into `size` along spatial dimension `dim`; at least once, or a NetError.
// Source: caffe2/operators/conv_pool_op_base.h, ComputeSizeAndPad.
int64_t window_count(const OpContext& ctx, const WindowArgs& window, size_t dim, int64_t size);

struct Window {
  Shape kernel;
  Shape counts;  // output size of each spatial dimension
};

// The window of a convolution or pool over an image; with `global_pooling` it covers the image.
Window window_over(const OpContext& ctx, const Shape& spatial);

}  // namespace latgrad::net::ops
