// One number for a fleet of devices, as operators of `torch.ops.latgrad`.
//
//   auto latency_us = latgrad::expected_latency(probs, tables_us);   // [..., D] of tables [D, L, C]
//   auto slowest_us = latgrad::fleet_smooth_max(latency_us, /*temperature_us=*/100);
//   auto loss = latgrad::fbnet_loss(cross_entropy, slowest_us);
//
// D devices, the last dimension of a latency; results are [...], microseconds. Tensors are float16, bfloat16,
// float32 or float64; half precision is computed in float32. Differentiable any number of times, under
// TorchScript, torch.compile and on meta tensors. Thread-safe. Cost: O(numel).
//
// Errors of all functions: c10::Error for a latency whose dimension of devices is missing or empty, and for
// another dtype.

#pragma once

#include <ATen/core/Tensor.h>

#include "latgrad/plugin/export.h"

namespace latgrad {

// The sum of weight times latency over the devices; without weights each device counts once.
//
//   weights  [D], the same device as the latency, e.g. each device's share of the users
//
// Differentiable in both.
//
// Errors: for weights of another shape or dtype, or on another device.
LATGRAD_PLUGIN_EXPORT at::Tensor fleet_sum(const at::Tensor& latency_us, const at::Tensor& weights = {});

// The latency of the slowest device. Only that device has a gradient; devices that tie share it.
LATGRAD_PLUGIN_EXPORT at::Tensor fleet_max(const at::Tensor& latency_us);

// A smooth maximum, temperature_us * ln(sum over the devices of exp(latency_us / temperature_us)). Every
// device has a gradient, larger for slower devices, and the gradients sum to 1. The result is never less than
// the maximum and, apart from rounding, at most temperature_us * ln(D) more; it tends to the maximum as the
// temperature tends to 0. Infinite latencies are not supported and give NaN.
//
// The temperature is a number or a tensor [].
//
// Errors: for a number that is not positive and finite; a tensor's value is not read.
LATGRAD_PLUGIN_EXPORT at::Tensor fleet_smooth_max(const at::Tensor& latency_us, double temperature_us);
LATGRAD_PLUGIN_EXPORT at::Tensor fleet_smooth_max(const at::Tensor& latency_us,
                                                  const at::Tensor& temperature_us);

}  // namespace latgrad
