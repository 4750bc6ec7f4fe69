#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <cmath>

#include "latgrad/plugin/losses.h"
#include "ops/loss_checks.h"

namespace latgrad::ops {
namespace {

// latency_us / target_us - 1, in float32 or wider: near the target the rounding of a quotient in half
// precision would be all that is left.
at::Tensor relative_excess(const at::Tensor& latency_us, double target_us) {
  return latency_us.to(at::toOpMathType(latency_us.scalar_type())) / target_us - 1;
}

at::Tensor fbnet_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us, double alpha,
                      double beta) {
  check_loss_tensor(cross_entropy, "cross_entropy");
  check_loss_number(alpha, "alpha");
  check_loss_number(beta, "beta");
  return cross_entropy * alpha * log_latency(latency_us).pow(beta);
}

at::Tensor proxylessnas_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us, double target_us,
                             double weight) {
  check_loss_tensor(cross_entropy, "cross_entropy");
  check_loss_tensor(latency_us, "latency_us");
  check_target(target_us);
  check_loss_number(weight, "weight");
  return cross_entropy + (weight * relative_excess(latency_us, target_us)).to(latency_us.scalar_type());
}

at::Tensor proxylessnas_log_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us,
                                 double target_us, double alpha, double beta) {
  check_loss_tensor(cross_entropy, "cross_entropy");
  TORCH_CHECK(std::isfinite(target_us) && target_us > 1,
              "target_us must be finite and more than 1 us, as its logarithm divides, got ", target_us);
  check_loss_number(alpha, "alpha");
  check_loss_number(beta, "beta");
  return alpha * cross_entropy * (log_latency(latency_us) / std::log(target_us)).pow(beta);
}

at::Tensor tunas_penalty(const at::Tensor& latency_us, double target_us) {
  check_loss_tensor(latency_us, "latency_us");
  check_target(target_us);
  return relative_excess(latency_us, target_us).abs().to(latency_us.scalar_type());
}

at::Tensor hinge_penalty(const at::Tensor& latency_us, double target_us) {
  check_loss_tensor(latency_us, "latency_us");
  check_target(target_us);
  return relative_excess(latency_us, target_us).relu().to(latency_us.scalar_type());
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeImplicitAutograd, m) {
  m.impl("fbnet_loss", TORCH_FN(fbnet_loss));
  m.impl("proxylessnas_loss", TORCH_FN(proxylessnas_loss));
  m.impl("proxylessnas_log_loss", TORCH_FN(proxylessnas_log_loss));
  m.impl("tunas_penalty", TORCH_FN(tunas_penalty));
  m.impl("hinge_penalty", TORCH_FN(hinge_penalty));
}

}  // namespace latgrad::ops
