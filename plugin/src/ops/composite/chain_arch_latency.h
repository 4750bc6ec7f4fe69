// chain_arch_latency and its gradient in ATen operators: for devices without a kernel, and for autograd on
// all.

#pragma once

#include <ATen/core/Tensor.h>

namespace latgrad::ops::composite {

// arch [..., L], table [L, C, C] or [D, L, C, C] -> [...] or [..., D]
at::Tensor chain_arch_latency(const at::Tensor& arch, const at::Tensor& table);

// grad [...] or [..., D], arch [..., L] -> [L, C, C] or [D, L, C, C], C = candidates
at::Tensor chain_arch_grad_table(const at::Tensor& grad, const at::Tensor& arch,
                                 const c10::SymInt& candidates);

}  // namespace latgrad::ops::composite
