#include "latgrad/plugin/operators.h"
#include "ops/autograd/node.h"
#include "ops/chain_latency_checks.h"
#include "ops/composite/chain_latency.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

struct ChainLatencyNode : torch::autograd::Node {
  variable_list apply(variable_list&& grads) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!grads[0].defined()) return {Tensor(), Tensor()};
    const std::array<bool, 2> needed = {task_should_compute_output(0), task_should_compute_output(1)};
    auto [grad_probs, grad_table] =
        latgrad::chain_latency_backward(grads[0], probs.unpack(), table_us.unpack(), needed);
    return {needed[0] ? std::move(grad_probs) : Tensor(), needed[1] ? std::move(grad_table) : Tensor()};
  }
  std::string name() const override { return "ChainLatencyBackward"; }
  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    probs.reset_data();
    table_us.reset_data();
  }

  SavedVariable probs;
  SavedVariable table_us;
};

Tensor chain_latency(const Tensor& given_probs, const Tensor& given_table_us) {
  // In here, so that autograd sees the conversion.
  const auto [probs, table_us] = ChainLatencyOperands(given_probs, given_table_us);
  if (has_tangent(probs, table_us)) return composite::chain_latency(probs, table_us);
  const auto node = make_node<ChainLatencyNode>(probs, table_us);
  if (node) {
    node->probs = SavedVariable(probs, false);
    node->table_us = SavedVariable(table_us, false);
  }
  Tensor latency_us = below_autograd(
      [&, &probs = probs, &table_us = table_us] { return latgrad::chain_latency(probs, table_us); });
  record(node, latency_us);
  return latency_us;
}

std::tuple<Tensor, Tensor> chain_latency_backward(const Tensor& grad, const Tensor& probs,
                                                  const Tensor& table_us, std::array<bool, 2> output_mask) {
  if (is_differentiated_again(grad, probs, table_us)) {
    check_chain_latency_backward(grad, probs, table_us);
    return composite::chain_latency_backward(grad, probs, table_us, output_mask);
  }
  return below_autograd([&] { return latgrad::chain_latency_backward(grad, probs, table_us, output_mask); });
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) {
  m.impl("chain_latency", TORCH_FN(chain_latency));
  m.impl("chain_latency_backward", TORCH_FN(chain_latency_backward));
}

}  // namespace latgrad::ops
