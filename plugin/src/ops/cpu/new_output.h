// Memory for outputs of the batch's size.

#pragma once

#include <ATen/ATen.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>

namespace latgrad::ops {

// An uninitialised dense tensor. A large one is asked for in huge pages: the first touch of a small page
// costs as much as the arithmetic on what it holds.
inline at::Tensor new_output(at::IntArrayRef sizes, const at::TensorOptions& options) {
  at::Tensor output = at::empty(sizes, options);
#ifdef __linux__
  constexpr uintptr_t kHugePage = uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<uintptr_t>(output.data_ptr()) + kHugePage - 1) & ~(kHugePage - 1);
  const auto end = (reinterpret_cast<uintptr_t>(output.data_ptr()) + output.nbytes()) & ~(kHugePage - 1);
  // Advice only: where it is not followed the result is the same.
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
  return output;
}

// With the shape and dtype of `like`.
inline at::Tensor new_output(const at::Tensor& like) { return new_output(like.sizes(), like.options()); }

}  // namespace latgrad::ops
