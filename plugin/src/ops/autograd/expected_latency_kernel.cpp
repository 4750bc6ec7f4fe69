#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "latgrad/plugin/operators.h"
#include "ops/composite/expected_latency.h"
#include "ops/expected_latency_checks.h"

namespace latgrad::ops {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The sum of two gradients of which either may be undefined, which stands for zero.
Tensor add_gradients(const Tensor& a, const Tensor& b) {
  if (!a.defined()) return b;
  if (!b.defined()) return a;
  return a + b;
}

class ExpectedLatency : public torch::autograd::Function<ExpectedLatency> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& probs, const Tensor& table_us) {
    context->save_for_backward({probs, table_us});
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    return latgrad::expected_latency(probs, table_us);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const std::array<bool, 2> needed = {context->needs_input_grad(0), context->needs_input_grad(1)};
    const auto [probs, table] = latgrad::expected_latency_backward(grads[0], saved[0], saved[1], needed);
    return {needed[0] ? probs : Tensor(), needed[1] ? table : Tensor()};
  }
};

// The backward is linear in the gradient and in each of its tensors, so its own derivative is made of the
// same products; those of `composite` are themselves differentiable.
class ExpectedLatencyBackward : public torch::autograd::Function<ExpectedLatencyBackward> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& grad, const Tensor& probs,
                               const Tensor& table_us, std::array<bool, 2> output_mask) {
    context->set_materialize_grads(false);
    context->save_for_backward({grad, probs, table_us});
    context->saved_data["probs"] = output_mask[0];
    context->saved_data["table"] = output_mask[1];
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto [grad_probs, grad_table] = latgrad::expected_latency_backward(grad, probs, table_us, output_mask);
    return {std::move(grad_probs), std::move(grad_table)};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const Tensor& grad = saved[0];
    const Tensor& probs = saved[1];
    const Tensor& table_us = saved[2];
    Tensor to_grad, to_probs, to_table;
    if (grads[0].defined() && context->saved_data["probs"].toBool()) {
      to_grad = composite::expected_latency(grads[0], table_us);
      to_table = composite::grad_table(grad, grads[0]);
    }
    if (grads[1].defined() && context->saved_data["table"].toBool()) {
      to_grad = add_gradients(to_grad, composite::expected_latency(probs, grads[1]));
      to_probs = composite::grad_probs(grad, grads[1]);
    }
    return {to_grad, to_probs, to_table, Tensor()};
  }
};

Tensor expected_latency(const Tensor& given_probs, const Tensor& given_table_us) {
  // In here, so that autograd sees the conversion.
  const auto [probs, table_us] = ExpectedLatencyOperands(given_probs, given_table_us);
  return ExpectedLatency::apply(probs, table_us);
}

std::tuple<Tensor, Tensor> expected_latency_backward(const Tensor& grad, const Tensor& probs,
                                                     const Tensor& table_us,
                                                     std::array<bool, 2> output_mask) {
  auto outputs = ExpectedLatencyBackward::apply(grad, probs, table_us, output_mask);
  return {outputs[0], outputs[1]};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) {
  m.impl("expected_latency", TORCH_FN(expected_latency));
  m.impl("expected_latency_backward", TORCH_FN(expected_latency_backward));
}

}  // namespace latgrad::ops
