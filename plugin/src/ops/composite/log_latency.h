// log_latency in ATen operators: for devices without a kernel, and for forward mode on all. Preconditions are
// the caller's.

#pragma once

#include <ATen/core/Tensor.h>

namespace latgrad::ops::composite {

// NaN where the latency is below 1 us or not finite: the values stay on their device.
at::Tensor log_latency(const at::Tensor& latency_us);

}  // namespace latgrad::ops::composite
