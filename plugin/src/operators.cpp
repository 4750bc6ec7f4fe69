#include "latgrad/plugin/operators.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace latgrad {

at::Tensor expected_latency(const at::Tensor& probs, const at::Tensor& table_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::expected_latency", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(probs, table_us);
}

std::tuple<at::Tensor, at::Tensor> expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                             const at::Tensor& table_us,
                                                             std::array<bool, 2> output_mask) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("latgrad::expected_latency_backward", "")
          .typed<std::tuple<at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                                    std::array<bool, 2>)>();
  return op.call(grad, probs, table_us, output_mask);
}

at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::arch_latency", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(arch, table_us);
}

}  // namespace latgrad
