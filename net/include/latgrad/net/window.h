// The sliding window of convolutions and pools, read from any of Caffe2's spellings by Caffe2's own rule.
//
//   kernels: [3, 3]   kernel: 3   kernel_h: 3, kernel_w: 3     all mean the same
//
// If several spellings are given, the list comes first; `kernel` then only fills in the values that the list
// lacks of two; `kernel_h` and `kernel_w` count only together and without `kernel`, and are appended to the
// list. The same holds for `strides`, `dilations`, `adjs` and, with four values, `pads`.
//
// O(arguments), without allocation: windows are read for every lookup. Thread-safe: no state.
// Source: caffe2/operators/{conv_pool_op_base,conv_transpose_unpool_op_base}.h, the constructors.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "latgrad/net/net.h"
#include "latgrad/net/registry.h"

namespace latgrad::net {

inline constexpr size_t kMaxAxes = 3;

// A value for each axis or side of a window, in place. Values beyond the size are neither written nor copied:
// that would cost as much as reading a window.
class Sides {
 public:
  static constexpr size_t kCapacity = 4 * kMaxAxes;

  Sides() {}
  Sides(const Sides& other) : Sides(std::span<const int64_t>(other)) {}
  Sides& operator=(const Sides& other) {
    size_ = other.size_;
    std::copy_n(other.values_.begin(), size_, values_.begin());
    return *this;
  }
  Sides(size_t size, int64_t value) { resize(size, value); }
  // Precondition: at most kCapacity values.
  explicit Sides(std::span<const int64_t> values) : size_(values.size()) {
    std::ranges::copy(values, values_.begin());
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](size_t i) const { return values_[i]; }
  void push_back(int64_t value) { values_[size_++] = value; }
  // As std::vector's. Precondition: size <= kCapacity.
  void resize(size_t size, int64_t value) {
    for (size_t i = size_; i < size; ++i) values_[i] = value;
    size_ = size;
  }
  operator std::span<const int64_t>() const { return {values_.data(), size_}; }

 private:
  std::array<int64_t, kCapacity> values_;
  size_t size_ = 0;
};

struct Window {
  bool has_kernel = false;
  Sides kernels;    // one per axis; zeros where none is given
  Sides strides;    // as many, unless the arguments say otherwise
  Sides dilations;  // likewise
  Sides pads;       // twice as many: all begins, then all ends
  Sides adjs;       // of a transposed convolution; else empty
  // `global_pooling`: the window is the image for any given kernel; all of the above is default.
  bool covers_image = false;
  // Parallel to the arguments: true for those that the window fully represents.
  std::vector<bool> consumed;
};

// Reads a window of that kind; of kNone the result is empty. A single value stands for `axes` axes: two
// unless the rank of the image is known. An argument of a wrong kind (a float stride, a name that occurs
// twice) takes no part and stays unconsumed.
Window read_window(WindowKind kind, std::span<const Argument* const> args, size_t axes = 2);

}  // namespace latgrad::net
