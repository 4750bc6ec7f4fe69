#include "latgrad/plugin/losses.h"

#include "find_operator.h"

namespace latgrad {

using at::Tensor;

Tensor log_latency(const Tensor& latency_us) {
  static const auto op = find_operator<Tensor(const Tensor&)>("latgrad::log_latency");
  return op.call(latency_us);
}

Tensor fbnet_loss(const Tensor& cross_entropy, const Tensor& latency_us, double alpha, double beta) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&, double, double)>("latgrad::fbnet_loss");
  return op.call(cross_entropy, latency_us, alpha, beta);
}

Tensor fbnet_loss(const Tensor& cross_entropy, const Tensor& latency_us, const Tensor& alpha,
                  const Tensor& beta) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&)>(
      "latgrad::fbnet_loss", "Tensor");
  return op.call(cross_entropy, latency_us, alpha, beta);
}

Tensor proxylessnas_loss(const Tensor& cross_entropy, const Tensor& latency_us, double target_us,
                         double weight) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&, double, double)>("latgrad::proxylessnas_loss");
  return op.call(cross_entropy, latency_us, target_us, weight);
}

Tensor proxylessnas_loss(const Tensor& cross_entropy, const Tensor& latency_us, const Tensor& target_us,
                         const Tensor& weight) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&)>(
      "latgrad::proxylessnas_loss", "Tensor");
  return op.call(cross_entropy, latency_us, target_us, weight);
}

Tensor proxylessnas_log_loss(const Tensor& cross_entropy, const Tensor& latency_us, double target_us,
                             double alpha, double beta) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&, double, double, double)>(
      "latgrad::proxylessnas_log_loss");
  return op.call(cross_entropy, latency_us, target_us, alpha, beta);
}

Tensor proxylessnas_log_loss(const Tensor& cross_entropy, const Tensor& latency_us, const Tensor& target_us,
                             const Tensor& alpha, const Tensor& beta) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&)>(
          "latgrad::proxylessnas_log_loss", "Tensor");
  return op.call(cross_entropy, latency_us, target_us, alpha, beta);
}

Tensor tunas_penalty(const Tensor& latency_us, double target_us) {
  static const auto op = find_operator<Tensor(const Tensor&, double)>("latgrad::tunas_penalty");
  return op.call(latency_us, target_us);
}

Tensor tunas_penalty(const Tensor& latency_us, const Tensor& target_us) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::tunas_penalty", "Tensor");
  return op.call(latency_us, target_us);
}

Tensor hinge_penalty(const Tensor& latency_us, double target_us) {
  static const auto op = find_operator<Tensor(const Tensor&, double)>("latgrad::hinge_penalty");
  return op.call(latency_us, target_us);
}

Tensor hinge_penalty(const Tensor& latency_us, const Tensor& target_us) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::hinge_penalty", "Tensor");
  return op.call(latency_us, target_us);
}

}  // namespace latgrad
