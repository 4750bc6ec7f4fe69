// Weights of int8 layers: signed, and packed for torch's quantised engine when the kernel is made; QNNPACK
// shifts them to unsigned by itself.

#pragma once

#include "kernels.h"

namespace latgrad::runner {

// The whole range of int8 for values below the bound. FBGEMM and oneDNN may saturate with it on CPUs without
// VNNI; that changes values, not times.
inline at::Tensor quantize_weight(const at::Tensor& values) {
  const double bound = values.abs().max().item<double>();
  return at::quantize_per_tensor(values, bound / 127, 0, at::kQInt8);
}

// None where the operator has no bias.
inline c10::IValue bias_value(const lut::OperatorKey& key) {
  at::Tensor bias = optional_bias(key, 2);
  return bias.defined() ? c10::IValue(bias) : c10::IValue();
}

}  // namespace latgrad::runner
