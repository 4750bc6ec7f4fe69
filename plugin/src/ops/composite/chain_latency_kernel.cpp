#include <ATen/ATen.h>
#include <torch/library.h>

#include "ops/chain_latency_checks.h"
#include "ops/composite/chain_latency.h"
#include "ops/wide_dtype.h"

namespace latgrad::ops {
namespace composite {
namespace {

using at::Tensor;

// The operands in float32 or wider: for layer 0, and for the layers l that have a predecessor. In the
// products, d is a device, i a candidate of the layer before, j one of the layer itself.
struct Chain {
  Chain(const Tensor& probs, const Tensor& table)
      : wide_probs(in_wide_dtype(probs)),
        wide_table(in_wide_dtype(table.dim() == 3 ? table.unsqueeze(0) : table)),
        first(wide_probs.select(-2, 0)),
        before(wide_probs.slice(-2, 0, -1)),
        here(wide_probs.slice(-2, 1)),
        first_us(wide_table.select(1, 0).select(1, 0)),
        us(wide_table.slice(1, 1)) {}

  Tensor wide_probs;
  Tensor wide_table;
  Tensor first;     // [..., C]
  Tensor before;    // [..., L - 1, C]
  Tensor here;      // [..., L - 1, C]
  Tensor first_us;  // [D, C]
  Tensor us;        // [D, L - 1, C, C]
};

Tensor grad_probs(const Tensor& grad, const Chain& chain) {
  const Tensor to_first = at::matmul(grad, chain.first_us).unsqueeze(-2);
  const Tensor to_here = at::einsum("...d,...li,dlij->...lj", {grad, chain.before, chain.us});
  const Tensor to_before = at::einsum("...d,...lj,dlij->...li", {grad, chain.here, chain.us});
  return at::cat({to_first, to_here}, -2) + at::cat({to_before, at::zeros_like(to_first)}, -2);
}

Tensor grad_table(const Tensor& grad, const Chain& chain) {
  const Tensor to_first = at::einsum("...d,...j->dj", {grad, chain.first});
  const Tensor first_rows =
      at::cat({to_first.unsqueeze(1), at::zeros_like(chain.wide_table.select(1, 0).slice(1, 1))}, 1);
  const Tensor rows = at::einsum("...d,...li,...lj->dlij", {grad, chain.before, chain.here});
  return at::cat({first_rows.unsqueeze(1), rows}, 1);
}

}  // namespace

Tensor chain_latency(const Tensor& probs, const Tensor& table) {
  const Chain chain(probs, table);
  const Tensor behind = at::einsum("...li,dlij->...dlj", {chain.before, chain.us});
  const Tensor latency_us = at::einsum("...j,dj->...d", {chain.first, chain.first_us}) +
                            at::einsum("...dlj,...lj->...d", {behind, chain.here});
  return (table.dim() == 3 ? latency_us.squeeze(-1) : latency_us).to(probs.scalar_type());
}

std::tuple<Tensor, Tensor> chain_latency_backward(const Tensor& grad, const Tensor& probs,
                                                  const Tensor& table, std::array<bool, 2> output_mask) {
  const Chain chain(probs, table);
  const bool one_device = table.dim() == 3;
  const Tensor per_device = in_wide_dtype(one_device ? grad.unsqueeze(-1) : grad);  // [..., D]
  std::tuple<Tensor, Tensor> result(probs.new_empty({0}), table.new_empty({0}));
  if (output_mask[0]) std::get<0>(result) = grad_probs(per_device, chain).to(probs.scalar_type());
  if (output_mask[1]) {
    const Tensor to_table = grad_table(per_device, chain).to(table.scalar_type());
    std::get<1>(result) = one_device ? to_table.squeeze(0) : to_table;
  }
  return result;
}

}  // namespace composite

namespace {

at::Tensor chain_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ChainLatencyOperands(given_probs, given_table_us);
  return composite::chain_latency(probs, table_us);
}

std::tuple<at::Tensor, at::Tensor> chain_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                          const at::Tensor& table_us,
                                                          std::array<bool, 2> output_mask) {
  check_chain_latency_backward(grad, probs, table_us);
  return composite::chain_latency_backward(grad, probs, table_us, output_mask);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) {
  m.impl("chain_latency", TORCH_FN(chain_latency));
  m.impl("chain_latency_backward", TORCH_FN(chain_latency_backward));
}

}  // namespace latgrad::ops
