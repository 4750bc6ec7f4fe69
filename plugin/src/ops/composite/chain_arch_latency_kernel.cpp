#include <ATen/ATen.h>
#include <torch/library.h>

#include <vector>

#include "ops/chain_latency_checks.h"
#include "ops/composite/arch_latency.h"
#include "ops/composite/chain_arch_latency.h"

namespace latgrad::ops {
namespace composite {

namespace {

// The choice of a layer and that of the layer before as one, of C * C. What is no candidate becomes -1, which
// the device catches.
at::Tensor pairs(const at::Tensor& arch, const c10::SymInt& candidates) {
  const at::Tensor here = arch.to(at::kLong);
  const at::Tensor first = at::zeros_like(here.slice(-1, 0, 1));
  const at::Tensor before = at::cat({first, here.slice(-1, 0, -1)}, -1);
  const at::Tensor is_candidate = here.ge(0).logical_and(here.lt(candidates));
  return at::where(is_candidate, before * candidates + here, at::full_like(here, -1));
}

}  // namespace

at::Tensor chain_arch_latency(const at::Tensor& arch, const at::Tensor& table) {
  return composite::arch_latency(pairs(arch, table.sym_size(-1)), table.flatten(-2, -1));
}

at::Tensor chain_arch_grad_table(const at::Tensor& grad, const at::Tensor& arch,
                                 const c10::SymInt& candidates) {
  const at::Tensor of_pairs = arch_grad_table(grad, pairs(arch, candidates), candidates * candidates);
  const auto rows = of_pairs.sym_sizes().slice(0, of_pairs.dim() - 1);
  std::vector<c10::SymInt> sizes(rows.begin(), rows.end());
  sizes.insert(sizes.end(), 2, candidates);
  return of_pairs.reshape_symint(sizes);
}

}  // namespace composite

namespace {

at::Tensor chain_arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_chain_arch_latency(arch, table_us);
  return composite::chain_arch_latency(arch, table_us);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) {
  m.impl("chain_arch_latency", TORCH_FN(chain_arch_latency));
}

}  // namespace latgrad::ops
