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

namespace {

// One-hot, with the derivatives of `soft`. One-hot of a row without a softmax is NaN, too.
at::Tensor straight_through(const at::Tensor& soft) {
  const at::Tensor constant = soft.detach();
  const at::Tensor one_hot = at::zeros_like(constant)
                                 .scatter(-1, constant.argmax(-1, true), 1)
                                 .masked_fill(constant.isnan(), std::numeric_limits<double>::quiet_NaN());
  const bool is_differentiated = soft.requires_grad() || soft._fw_grad(/*level=*/0).defined();
  return is_differentiated ? one_hot + (soft - constant) : one_hot;
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table,
                                                         const at::Tensor& noise,
                                                         const at::Tensor& temperature,
                                                         const Optional<at::Tensor>& valid, bool hard) {
  const auto wide = at::toOpMathType(logits.scalar_type());
  const auto dtype = wider_dtype(logits, table);
  const at::Tensor soft = masked_softmax((logits.to(wide) + noise.to(wide)) / temperature, valid);
  const at::Tensor weights = (hard ? straight_through(soft) : soft).to(logits.scalar_type());
  const auto sum_dtype = at::promote_types(wide, at::toOpMathType(dtype));
  const at::Tensor us = masked(table, valid).to(sum_dtype);
  return {weights, expected_latency(weights.to(sum_dtype), us).to(dtype)};
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(
    const Optional<at::Tensor>& grad_weights, const Optional<at::Tensor>& grad_latency,
    const at::Tensor& soft, const at::Tensor& weights, const at::Tensor& table, const at::Tensor& temperature,
    const Optional<at::Tensor>& valid, std::array<bool, 2> output_mask) {
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

// By the chain rule -(grad_logits * (logits + noise)).sum() / temperature. The softmax tells its input up to
// a constant for each row, and the gradients of a row for its logits add up to 0.
at::Tensor gumbel_grad_temperature(const at::Tensor& grad_logits, const at::Tensor& soft,
                                   const at::Tensor& temperature) {
  const auto wide = at::promote_types(at::toOpMathType(soft.scalar_type()), temperature.scalar_type());
  const at::Tensor wide_soft = soft.to(wide);
  const at::Tensor log_soft = wide_soft.masked_fill(wide_soft == 0, 1).log();
  return -(grad_logits.to(wide) * log_soft).sum().to(temperature.options());
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
  return at::empty_like(logits, logits.options().dtype(at::toOpMathType(logits.scalar_type())))
      .exponential_(1, generator)
      .log()
      .neg()
      .to(logits.scalar_type());
}

// The number of a schedule as a tensor; float64 holds what Python holds.
at::Tensor as_tensor(double temperature) {
  check_temperature(temperature);
  return at::scalar_tensor(temperature, at::TensorOptions().dtype(at::kDouble));
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency(const at::Tensor& logits, const at::Tensor& table_us,
                                                  const at::Tensor& temperature,
                                                  const Optional<at::Tensor>& valid, bool hard,
                                                  Optional<at::Generator> generator) {
  check_gumbel_latency(logits, table_us, temperature, valid);
  // Through the dispatcher, to the kernel of the device.
  return latgrad::gumbel_latency_sample(logits, table_us, draw_noise(logits.detach(), generator), temperature,
                                        valid.value_or(at::Tensor()), hard);
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_at(const at::Tensor& logits, const at::Tensor& table_us,
                                                     double temperature, const Optional<at::Tensor>& valid,
                                                     bool hard, Optional<at::Generator> generator) {
  return gumbel_latency(logits, table_us, as_tensor(temperature), valid, hard, std::move(generator));
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample_at(const at::Tensor& logits,
                                                            const at::Tensor& table_us,
                                                            const at::Tensor& noise, double temperature,
                                                            const Optional<at::Tensor>& valid, bool hard) {
  return latgrad::gumbel_latency_sample(logits, table_us, noise, as_tensor(temperature),
                                        valid.value_or(at::Tensor()), hard);
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table_us,
                                                         const at::Tensor& noise,
                                                         const at::Tensor& temperature,
                                                         const Optional<at::Tensor>& valid, bool hard) {
  check_gumbel_latency_sample(logits, table_us, noise, temperature, valid);
  TORCH_CHECK(!is_seed(noise), "noise must be Gumbel noise in the shape of logits on ", logits.device(),
              "; a seed is for the CPU");
  return composite::gumbel_latency_sample(logits, table_us, noise, temperature, valid, hard);
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(
    const Optional<at::Tensor>& grad_weights, const Optional<at::Tensor>& grad_latency,
    const at::Tensor& soft, const at::Tensor& weights, const at::Tensor& table_us,
    const at::Tensor& temperature, const Optional<at::Tensor>& valid, std::array<bool, 2> output_mask) {
  check_gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us, temperature, valid);
  return composite::gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us, temperature,
                                            valid, output_mask);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeImplicitAutograd, m) {
  m.impl("gumbel_latency", TORCH_FN(gumbel_latency_at));
  m.impl("gumbel_latency.Tensor", TORCH_FN(gumbel_latency));
  m.impl("gumbel_latency_sample", TORCH_FN(gumbel_latency_sample_at));
}

#ifdef LATGRAD_HAS_BATCHED_DECOMPOSITION
// Drawn by PyTorch's own functions, which obey what vmap says of randomness; its loop would not.
TORCH_LIBRARY_IMPL(latgrad, FuncTorchBatchedDecomposition, m) {
  m.impl("gumbel_latency", TORCH_FN(gumbel_latency_at));
  m.impl("gumbel_latency.Tensor", TORCH_FN(gumbel_latency));
  m.impl("gumbel_latency_sample", TORCH_FN(gumbel_latency_sample_at));
}

// Within vmap, of tensors without its dimension.
TORCH_LIBRARY_IMPL(latgrad, FuncTorchVmapMode, m) {
  m.impl("gumbel_latency", TORCH_FN(gumbel_latency_at));
  m.impl("gumbel_latency.Tensor", TORCH_FN(gumbel_latency));
}
#endif

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) {
  m.impl("gumbel_latency_sample.Tensor", TORCH_FN(gumbel_latency_sample));
  m.impl("gumbel_latency_backward", TORCH_FN(gumbel_latency_backward));
}

}  // namespace latgrad::ops
