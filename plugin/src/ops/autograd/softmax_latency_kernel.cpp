#include "latgrad/plugin/operators.h"
#include "ops/autograd/node.h"
#include "ops/composite/softmax_latency.h"
#include "ops/softmax_latency_checks.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

// Keeps the logits and not their softmax: computing it again is faster than writing and reading it.
struct SoftmaxLatencyNode : torch::autograd::Node {
  variable_list apply(variable_list&& grads) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!grads[0].defined()) return {Tensor(), Tensor()};
    const std::array<bool, 2> needed = {task_should_compute_output(0), task_should_compute_output(1)};
    auto [grad_logits, grad_table] = latgrad::softmax_latency_backward(
        grads[0], logits.unpack(), table_us.unpack(), valid.unpack(), needed);
    return {needed[0] ? std::move(grad_logits) : Tensor(), needed[1] ? std::move(grad_table) : Tensor()};
  }
  std::string name() const override { return "SoftmaxLatencyBackward"; }
  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    logits.reset_data();
    table_us.reset_data();
    valid.reset_data();
  }

  SavedVariable logits;
  SavedVariable table_us;
  SavedVariable valid;
};

Tensor softmax_latency(const Tensor& given_logits, const Tensor& given_table_us,
                       const Optional<Tensor>& valid) {
  // In here, so that autograd sees the conversion.
  const SoftmaxLatencyOperands operands(given_logits, given_table_us, valid);
  if (has_tangent(operands.logits, operands.table_us)) {
    return composite::softmax_latency(operands.logits, operands.table_us, valid);
  }
  const auto node = make_node<SoftmaxLatencyNode>(operands.logits, operands.table_us);
  const Tensor mask = valid.value_or(Tensor());
  if (node) {
    node->logits = SavedVariable(operands.logits, false);
    node->table_us = SavedVariable(operands.table_us, false);
    node->valid = SavedVariable(mask, false);
  }
  Tensor latency_us =
      below_autograd([&] { return latgrad::softmax_latency(operands.logits, operands.table_us, mask); });
  record(node, latency_us);
  return latency_us;
}

std::tuple<Tensor, Tensor> softmax_latency_backward(const Tensor& grad, const Tensor& logits,
                                                    const Tensor& table_us, const Optional<Tensor>& valid,
                                                    std::array<bool, 2> output_mask) {
  if (is_differentiated_again(grad, logits, table_us)) {
    check_softmax_latency_backward(grad, logits, table_us, valid);
    return composite::softmax_latency_backward(grad, logits, table_us, valid, output_mask);
  }
  return below_autograd([&] {
    return latgrad::softmax_latency_backward(grad, logits, table_us, valid.value_or(Tensor()), output_mask);
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) {
  m.impl("softmax_latency", TORCH_FN(softmax_latency));
  m.impl("softmax_latency_backward", TORCH_FN(softmax_latency_backward));
}

}  // namespace latgrad::ops
