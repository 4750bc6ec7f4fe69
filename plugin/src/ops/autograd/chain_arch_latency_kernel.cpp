#include "latgrad/plugin/operators.h"
#include "ops/autograd/node.h"
#include "ops/chain_latency_checks.h"
#include "ops/composite/chain_arch_latency.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

struct ChainArchLatencyNode : torch::autograd::Node {
  variable_list apply(variable_list&& grads) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!grads[0].defined()) return {Tensor()};
    return {composite::chain_arch_grad_table(grads[0], arch.unpack(), candidates)};
  }
  std::string name() const override { return "ChainArchLatencyBackward"; }
  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    arch.reset_data();
  }

  SavedVariable arch;
  c10::SymInt candidates;
};

Tensor chain_arch_latency(const Tensor& arch, const Tensor& table_us) {
  if (has_tangent(table_us)) {
    check_chain_arch_latency(arch, table_us);
    return composite::chain_arch_latency(arch, table_us);
  }
  const auto node = make_node<ChainArchLatencyNode>(table_us);
  Tensor latency_us = below_autograd([&] { return latgrad::chain_arch_latency(arch, table_us); });
  if (node) {
    node->arch = SavedVariable(arch, false);
    node->candidates =
        table_us.sym_size(-1);  // only now: the operator has checked that there is such a dimension
  }
  record(node, latency_us);
  return latency_us;
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) { m.impl("chain_arch_latency", TORCH_FN(chain_arch_latency)); }

}  // namespace latgrad::ops
