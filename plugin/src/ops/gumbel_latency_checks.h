// The preconditions of gumbel_latency, its sample and its backward, checked by every kernel: Python reaches
// kernels directly.

#pragma once

#include <cmath>

#include "ops/number_checks.h"
#include "ops/row_checks.h"

namespace latgrad::ops {

inline void check_temperature(double temperature) {
  // Logits are divided by it in float32, unless they are float64.
  TORCH_CHECK(
      temperature > 0 && std::isfinite(temperature) && std::isfinite(1 / static_cast<float>(temperature)),
      "temperature must be positive and finite, and so its inverse in float32, got ", temperature);
}

inline void check_temperature_form(const at::Tensor& temperature, const at::Tensor& rows) {
  check_number(temperature, "temperature");
  TORCH_CHECK(temperature.is_cpu() || temperature.device() == rows.device(),
              "temperature must be on the CPU or where the logits are, ", rows.device(), ", got ",
              temperature.device());
}

inline void check_gumbel_latency(const at::Tensor& logits, const at::Tensor& table_us,
                                 const at::Tensor& temperature, const Optional<at::Tensor>& valid) {
  check_rows("logits", logits, table_us);
  check_valid(valid, table_us);
  check_temperature_form(temperature, logits);
}

inline bool is_seed(const at::Tensor& noise) { return noise.scalar_type() == at::kLong; }

inline void check_gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table_us,
                                        const at::Tensor& noise, const at::Tensor& temperature,
                                        const Optional<at::Tensor>& valid) {
  check_gumbel_latency(logits, table_us, temperature, valid);
  TORCH_CHECK(noise.device() == logits.device(), "noise must be on the device of logits, ", logits.device(),
              ", got ", noise.device());
  TORCH_CHECK(noise.layout() == at::kStrided, "noise must be a dense tensor, got ", noise.layout());
  if (is_seed(noise)) {
    TORCH_CHECK(noise.dim() == 0, "noise as a seed must be one int64 value, got ", noise.sym_sizes());
    return;
  }
  TORCH_CHECK(noise.scalar_type() == logits.scalar_type(),
              "noise must be a seed (int64) or have the dtype of logits, ", logits.scalar_type(), ", got ",
              noise.scalar_type());
  TORCH_CHECK(noise.sym_sizes() == logits.sym_sizes(), "noise must have the shape of logits, ",
              logits.sym_sizes(), ", got ", noise.sym_sizes());
}

inline void check_gumbel_noise(const at::Tensor& seed, const at::Tensor& like) {
  TORCH_CHECK(is_seed(seed) && seed.dim() == 0, "seed must be one int64 value, got ", seed.scalar_type(), " ",
              seed.sym_sizes());
  TORCH_CHECK(like.scalar_type() == at::kFloat || like.scalar_type() == at::kDouble,
              "like must be float32 or float64, got ", like.scalar_type());
}

inline void check_gumbel_latency_backward(const Optional<at::Tensor>& grad_weights,
                                          const Optional<at::Tensor>& grad_latency, const at::Tensor& soft,
                                          const at::Tensor& weights, const at::Tensor& table_us,
                                          const at::Tensor& temperature, const Optional<at::Tensor>& valid) {
  check_rows("soft", soft, table_us);
  check_valid(valid, table_us);
  check_temperature_form(temperature, soft);
  const auto check_same = [&soft](const char* name, const at::Tensor& tensor) {
    TORCH_CHECK(tensor.sym_sizes() == soft.sym_sizes() && tensor.scalar_type() == soft.scalar_type() &&
                    tensor.device() == soft.device(),
                name, " must be as soft, ", soft.scalar_type(), " ", soft.sym_sizes(), " on ", soft.device(),
                ", got ", tensor.scalar_type(), " ", tensor.sym_sizes(), " on ", tensor.device());
  };
  check_same("weights", weights);
  if (grad_weights) check_same("grad_weights", *grad_weights);
  if (grad_latency) {
    check_latency_gradient(*grad_latency, soft, latency_sizes(soft, table_us), wider_dtype(soft, table_us));
  }
}

}  // namespace latgrad::ops
