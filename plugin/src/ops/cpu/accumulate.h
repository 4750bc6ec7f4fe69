// How the CPU kernels take half precision: in blocks of float32 that stay in the cache. float32 and float64
// are read and written where they are.

#pragma once

#include <ATen/OpMathType.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace latgrad::ops {

// The type in which values of T are added up.
template <typename T>
using Accumulate = at::opmath_type<T>;

template <typename T>
inline constexpr bool kIsConverted = !std::is_same_v<T, Accumulate<T>>;

// Calls body(begin, size) for blocks of [begin, end), elements of the batch that have `element` values each:
// for one block, or for as many as keep what is converted in the cache.
template <typename Body>
void for_each_block(int64_t begin, int64_t end, bool is_cached, int64_t element, const Body& body) {
  constexpr int64_t kValues = 1 << 13;
  int64_t block = end - begin;
  if (is_cached) {
    block = std::max<int64_t>(1, kValues / element);
    if (block > 16) block -= block % 16;  // fills the vectors
  }
  for (int64_t n = begin; n < end; n += block) body(n, std::min(block, end - n));
}

template <typename T>
class Reader {
 public:
  const Accumulate<T>* operator()(const T* from, int64_t size) {
    if constexpr (kIsConverted<T>) {
      buffer_.assign(from, from + size);
      return buffer_.data();
    } else {
      return from;
    }
  }

 private:
  std::vector<Accumulate<T>> buffer_;
};

// Gives a place to write `size` values to; finish() brings them to where they belong.
template <typename T>
class Writer {
 public:
  Accumulate<T>* operator()(T* to, int64_t size) {
    to_ = to;
    if constexpr (kIsConverted<T>) {
      buffer_.resize(size);
      return buffer_.data();
    } else {
      return to;
    }
  }
  void finish() const {
    if constexpr (kIsConverted<T>) std::copy(buffer_.begin(), buffer_.end(), to_);
  }

 private:
  T* to_ = nullptr;
  std::vector<Accumulate<T>> buffer_;
};

}  // namespace latgrad::ops
