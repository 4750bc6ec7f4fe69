// float32 or wider, in which the operators made of ATen's compute.

#pragma once

#include <ATen/ATen.h>
#include <ATen/OpMathType.h>

namespace latgrad::ops {

inline at::Tensor in_wide_dtype(const at::Tensor& tensor) {
  return tensor.to(at::toOpMathType(tensor.scalar_type()));
}

}  // namespace latgrad::ops
