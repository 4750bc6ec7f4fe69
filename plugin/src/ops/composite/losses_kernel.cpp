#include <torch/library.h>

#include <cmath>

#include "latgrad/plugin/losses.h"
#include "ops/loss_checks.h"
#include "ops/wide_dtype.h"
#include "torch_compat.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

// A number is a double or a tensor []. As a tensor it must not decide the dtype of the result, as it would
// beside another tensor without dimensions: what it is combined with stays in float32 or wider until the end.

double beside(const Tensor&, double number) { return number; }
Tensor beside(const Tensor& wide, const Tensor& number) { return number.to(wide.scalar_type()); }

Tensor times(const Tensor& tensor, double number) { return tensor * number; }
Tensor times(const Tensor& tensor, const Tensor& number) {
  const Tensor wide = in_wide_dtype(tensor);
  return (wide * beside(wide, number)).to(tensor.scalar_type());
}

Tensor to_the_power(const Tensor& tensor, double number) { return tensor.pow(number); }
Tensor to_the_power(const Tensor& tensor, const Tensor& number) {
  const Tensor wide = in_wide_dtype(tensor);
  return wide.pow(beside(wide, number)).to(tensor.scalar_type());
}

Tensor divided_by_log(const Tensor& tensor, double number) { return tensor / std::log(number); }
Tensor divided_by_log(const Tensor& tensor, const Tensor& number) {
  const Tensor wide = in_wide_dtype(tensor);
  return (wide / beside(wide, number.to(at::kDouble).log())).to(tensor.scalar_type());
}

// latency_us / target_us - 1, in float32 or wider: near the target the rounding of a quotient in half
// precision would be all that is left.
template <typename Number>
Tensor relative_excess(const Tensor& latency_us, const Number& target_us) {
  const Tensor wide = in_wide_dtype(latency_us);
  return wide / beside(wide, target_us) - 1;
}

template <typename Number>
Tensor fbnet_loss(const Tensor& cross_entropy, const Tensor& latency_us, Number alpha, Number beta) {
  check_loss_tensor(cross_entropy, "cross_entropy");
  check_loss_number(alpha, "alpha");
  check_loss_number(beta, "beta");
  return times(cross_entropy, alpha) * to_the_power(log_latency(latency_us), beta);
}

template <typename Number>
Tensor proxylessnas_loss(const Tensor& cross_entropy, const Tensor& latency_us, Number target_us,
                         Number weight) {
  check_loss_tensor(cross_entropy, "cross_entropy");
  check_loss_tensor(latency_us, "latency_us");
  check_target(target_us);
  check_loss_number(weight, "weight");
  return cross_entropy + times(relative_excess(latency_us, target_us), weight).to(latency_us.scalar_type());
}

template <typename Number>
Tensor proxylessnas_log_loss(const Tensor& cross_entropy, const Tensor& latency_us, Number target_us,
                             Number alpha, Number beta) {
  check_loss_tensor(cross_entropy, "cross_entropy");
  check_log_target(target_us);
  check_loss_number(alpha, "alpha");
  check_loss_number(beta, "beta");
  return times(cross_entropy, alpha) * to_the_power(divided_by_log(log_latency(latency_us), target_us), beta);
}

template <typename Number>
Tensor tunas_penalty(const Tensor& latency_us, Number target_us) {
  check_loss_tensor(latency_us, "latency_us");
  check_target(target_us);
  return relative_excess(latency_us, target_us).abs().to(latency_us.scalar_type());
}

template <typename Number>
Tensor hinge_penalty(const Tensor& latency_us, Number target_us) {
  check_loss_tensor(latency_us, "latency_us");
  check_target(target_us);
  return relative_excess(latency_us, target_us).relu().to(latency_us.scalar_type());
}

void register_losses(torch::Library& m) {
  m.impl("fbnet_loss", TORCH_FN(fbnet_loss<double>));
  m.impl("fbnet_loss.Tensor", TORCH_FN(fbnet_loss<const Tensor&>));
  m.impl("proxylessnas_loss", TORCH_FN(proxylessnas_loss<double>));
  m.impl("proxylessnas_loss.Tensor", TORCH_FN(proxylessnas_loss<const Tensor&>));
  m.impl("proxylessnas_log_loss", TORCH_FN(proxylessnas_log_loss<double>));
  m.impl("proxylessnas_log_loss.Tensor", TORCH_FN(proxylessnas_log_loss<const Tensor&>));
  m.impl("tunas_penalty", TORCH_FN(tunas_penalty<double>));
  m.impl("tunas_penalty.Tensor", TORCH_FN(tunas_penalty<const Tensor&>));
  m.impl("hinge_penalty", TORCH_FN(hinge_penalty<double>));
  m.impl("hinge_penalty.Tensor", TORCH_FN(hinge_penalty<const Tensor&>));
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeImplicitAutograd, m) { register_losses(m); }

#ifdef LATGRAD_HAS_BATCHED_DECOMPOSITION
TORCH_LIBRARY_IMPL(latgrad, FuncTorchBatchedDecomposition, m) { register_losses(m); }
#endif

}  // namespace latgrad::ops
