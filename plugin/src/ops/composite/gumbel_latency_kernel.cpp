#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <limits>

#include "latgrad/plugin/operators.h"
#include "ops/composite/expected_latency.h"
#include "ops/composite/gumbel_latency.h"
#include "ops/composite/softmax_latency.h"
#include "ops/gumbel_latency_checks.h"

namespace latgrad::ops {
namespace composite {

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table,
                                                         const at::Tensor& noise, double temperature,
                                                         const Optional<at::Tensor>& valid, bool hard) {
  const auto wide = at::toOpMathType(logits.scalar_type());
  const auto dtype = wider_dtype(logits, table);
  const at::Tensor soft = masked_softmax((logits.to(wide) + noise.to(wide)) / temperature, valid);
  // One-hot of a row without a softmax is NaN, too.
  const at::Tensor weights = (hard ? at::zeros_like(soft)
                                         .scatter(-1, soft.argmax(-1, true), 1)
                                         .masked_fill(soft.isnan(), std::numeric_limits<double>::quiet_NaN())
                                   : soft)
                                 .to(logits.scalar_type());
  const auto sum_dtype = at::promote_types(wide, at::toOpMathType(dtype));
  const at::Tensor us = masked(table, valid).to(sum_dtype);
  return {weights, expected_latency(weights.to(sum_dtype), us).to(dtype)};
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(const Optional<at::Tensor>& grad_weights,
                                                           const Optional<at::Tensor>& grad_latency,
                                                           const at::Tensor& soft, const at::Tensor& weights,
                                                           const at::Tensor& table, double temperature,
                                                           const Optional<at::Tensor>& valid,
                                                           std::array<bool, 2> output_mask) {
  const auto wide = at::toOpMathType(soft.scalar_type());
  const at::Tensor wide_soft = soft.to(wide);
  at::Tensor to_logits = soft.new_empty({0});
  at::Tensor to_table = table.new_empty({0});
  if (output_mask[0]) {
    at::Tensor upstream = at::zeros_like(wide_soft);
    if (grad_weights) upstream = upstream + grad_weights->to(wide);
    if (grad_latency) upstream = upstream + grad_probs(grad_latency->to(wide), masked(table, valid).to(wide));
    const at::Tensor gradient = softmax_gradient(masked(upstream, valid), wide_soft) / temperature;
    to_logits = masked(gradient, valid).to(soft.scalar_type());
  }
  if (output_mask[1]) {
    to_table = grad_latency ? grad_table(grad_latency->to(wide), weights.to(wide)).to(table.scalar_type())
                            : at::zeros_like(table);
  }
  return {to_logits, to_table};
}

}  // namespace composite

namespace {

// What makes a sample: on the CPU one seed, which the kernel turns into noise as it goes; elsewhere the
// noise, drawn by the device.
at::Tensor draw_noise(const at::Tensor& logits, const Optional<at::Generator>& generator) {
  if (logits.is_cpu()) {
    const auto options = logits.options().dtype(at::kLong);
    constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
    return generator ? at::randint(kEnd, {}, generator, options) : at::randint(kEnd, {}, options);
  }
  // In float32 at least: a float16 variate may round to 0, whose noise is infinite.
  const auto options = logits.options().dtype(at::toOpMathType(logits.scalar_type()));
  return at::empty_symint(logits.sym_sizes(), options)
      .exponential_(1, generator)
      .log()
      .neg()
      .to(logits.scalar_type());
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency(const at::Tensor& logits, const at::Tensor& table_us,
                                                  double temperature, const Optional<at::Tensor>& valid,
                                                  bool hard, Optional<at::Generator> generator) {
  check_gumbel_latency(logits, table_us, temperature, valid);
  // Through the dispatcher, to the kernel of the device.
  return latgrad::gumbel_latency_sample(logits, table_us, draw_noise(logits.detach(), generator), temperature,
                                        valid.value_or(at::Tensor()), hard);
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table_us,
                                                         const at::Tensor& noise, double temperature,
                                                         const Optional<at::Tensor>& valid, bool hard) {
  check_gumbel_latency_sample(logits, table_us, noise, temperature, valid);
  TORCH_CHECK(!is_seed(noise), "noise must be Gumbel noise in the shape of logits on ", logits.device(),
              "; a seed is for the CPU");
  return composite::gumbel_latency_sample(logits, table_us, noise, temperature, valid, hard);
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(const Optional<at::Tensor>& grad_weights,
                                                           const Optional<at::Tensor>& grad_latency,
                                                           const at::Tensor& soft, const at::Tensor& weights,
                                                           const at::Tensor& table_us, double temperature,
                                                           const Optional<at::Tensor>& valid,
                                                           std::array<bool, 2> output_mask) {
  check_gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us, temperature, valid);
  return composite::gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us, temperature,
                                            valid, output_mask);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeImplicitAutograd, m) {
  m.impl("gumbel_latency", TORCH_FN(gumbel_latency));
}

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) {
  m.impl("gumbel_latency_sample", TORCH_FN(gumbel_latency_sample));
  m.impl("gumbel_latency_backward", TORCH_FN(gumbel_latency_backward));
}

}  // namespace latgrad::ops
