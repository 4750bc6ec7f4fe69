// The sliding window of convolutions and pools, read from any of Caffe2's spellings.
//
//   kernels: [3, 3]   kernel: 3   kernel_h: 3, kernel_w: 3     all say the same
//
// Source: caffe2/operators/conv_pool_op_base.h, the constructor of ConvPoolOpBase.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::net {

// A convolution, transposed convolution or pool, float or int8, with or without its activation.
bool has_window(std::string_view op_type);

inline constexpr size_t kMaxAxes = 3;

// A value for each axis or side of a window, in place: windows are read for every lookup.
class Sides {
 public:
  Sides() = default;
  Sides(size_t size, int64_t value) : size_(size) { values_.fill(value); }
  // Precondition: at most 2 * kMaxAxes values.
  explicit Sides(std::span<const int64_t> values) : size_(values.size()) {
    std::ranges::copy(values, values_.begin());
  }

  size_t size() const { return size_; }
  int64_t& operator[](size_t i) { return values_[i]; }
  operator std::span<const int64_t>() const { return {values_.data(), size_}; }

 private:
  std::array<int64_t, 2 * kMaxAxes> values_{};
  size_t size_ = 0;
};

struct Window {
  Sides kernels;    // one per axis; [0, 0] where none is given
  Sides strides;    // as many
  Sides dilations;  // as many
  Sides pads;       // twice as many: all begins, then all ends
  // `global_pooling`: the window is the image, whatever kernel is given; all of the above is default.
  bool covers_image = false;
  // Parallel to the arguments: those the window was read from, and which say nothing more.
  std::vector<bool> consumed;
};

// Reads the window. An argument that does not take part (because a stronger spelling of the same is given,
// its type is wrong, its list has another length than the kernel, or the name occurs twice) stays unconsumed.
Window read_window(std::string_view op_type, std::span<const Argument* const> args);

}  // namespace latgrad::net
