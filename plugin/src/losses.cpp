#include "latgrad/plugin/losses.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace latgrad {

at::Tensor log_latency(const at::Tensor& latency_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::log_latency", "")
                             .typed<at::Tensor(const at::Tensor&)>();
  return op.call(latency_us);
}

at::Tensor fbnet_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us, double alpha,
                      double beta) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::fbnet_loss", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double, double)>();
  return op.call(cross_entropy, latency_us, alpha, beta);
}

at::Tensor proxylessnas_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us, double target_us,
                             double weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::proxylessnas_loss", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double, double)>();
  return op.call(cross_entropy, latency_us, target_us, weight);
}

at::Tensor proxylessnas_log_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us,
                                 double target_us, double alpha, double beta) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("latgrad::proxylessnas_log_loss", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double, double, double)>();
  return op.call(cross_entropy, latency_us, target_us, alpha, beta);
}

at::Tensor tunas_penalty(const at::Tensor& latency_us, double target_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::tunas_penalty", "")
                             .typed<at::Tensor(const at::Tensor&, double)>();
  return op.call(latency_us, target_us);
}

at::Tensor hinge_penalty(const at::Tensor& latency_us, double target_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::hinge_penalty", "")
                             .typed<at::Tensor(const at::Tensor&, double)>();
  return op.call(latency_us, target_us);
}

}  // namespace latgrad
