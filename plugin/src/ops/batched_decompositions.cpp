// Under torch.func.vmap the operators are those of `composite`, whose ATen operators know how to take a batch
// dimension anywhere. A sample that is drawn keeps vmap's own loop: the seed of the CPU has no composite. So
// does log_latency, whose kernel for the CPU checks the values. gumbel_latency, the losses and the fleet are
// registered with their kernels.

#include "torch_compat.h"

#ifdef LATGRAD_HAS_BATCHED_DECOMPOSITION

#include "ops/arch_latency_checks.h"
#include "ops/chain_latency_checks.h"
#include "ops/composite/arch_latency.h"
#include "ops/composite/chain_arch_latency.h"
#include "ops/composite/chain_latency.h"
#include "ops/composite/expected_latency.h"
#include "ops/composite/gumbel_latency.h"
#include "ops/composite/softmax_latency.h"
#include "ops/expected_latency_checks.h"
#include "ops/softmax_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor expected_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ExpectedLatencyOperands(given_probs, given_table_us);
  return composite::expected_latency(probs, table_us);
}

at::Tensor chain_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ChainLatencyOperands(given_probs, given_table_us);
  return composite::chain_latency(probs, table_us);
}

at::Tensor softmax_latency(const at::Tensor& given_logits, const at::Tensor& given_table_us,
                           const Optional<at::Tensor>& valid) {
  const SoftmaxLatencyOperands operands(given_logits, given_table_us, valid);
  return composite::softmax_latency(operands.logits, operands.table_us, valid);
}

at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_arch_latency(arch, table_us);
  return composite::arch_latency(arch, table_us);
}

at::Tensor chain_arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_chain_arch_latency(arch, table_us);
  return composite::chain_arch_latency(arch, table_us);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, FuncTorchBatchedDecomposition, m) {
  m.impl("expected_latency", TORCH_FN(expected_latency));
  m.impl("expected_latency_backward", TORCH_FN(composite::expected_latency_backward));
  m.impl("chain_latency", TORCH_FN(chain_latency));
  m.impl("chain_latency_backward", TORCH_FN(composite::chain_latency_backward));
  m.impl("softmax_latency", TORCH_FN(softmax_latency));
  m.impl("softmax_latency_backward", TORCH_FN(composite::softmax_latency_backward));
  m.impl("gumbel_latency_backward", TORCH_FN(composite::gumbel_latency_backward));
  m.impl("arch_latency", TORCH_FN(arch_latency));
  m.impl("chain_arch_latency", TORCH_FN(chain_arch_latency));
}

}  // namespace latgrad::ops

#endif
