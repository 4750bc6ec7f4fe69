#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include "ops/arch_latency_checks.h"
#include "ops/composite/arch_latency.h"

namespace latgrad::ops {
namespace composite {

namespace {

// arch [..., L] -> [D, L, N], N architectures: each layer has a row of its own, so that the device catches an
// index out of range instead of reading the next layer.
at::Tensor choices(const at::Tensor& arch, const c10::SymInt& devices) {
  const at::Tensor rows = arch.to(at::kLong).unsqueeze(0).flatten(0, -2);  // [N, L]
  return rows.t().unsqueeze(0).expand_symint({devices, -1, -1});
}

}  // namespace

at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table) {
  const bool one_device = table.dim() == 2;
  const at::Tensor tables = one_device ? table.unsqueeze(0) : table;  // [D, L, C]
  const auto wide = at::toOpMathType(table.scalar_type());
  const at::Tensor chosen = tables.gather(-1, choices(arch, tables.sym_size(0)));  // [D, L, N]
  const at::Tensor sums = chosen.to(wide).sum(1).to(table.scalar_type()).t();      // [N, D]
  return sums.reshape_symint(arch_latency_sizes(arch, table));
}

at::Tensor arch_grad_table(const at::Tensor& grad, const at::Tensor& arch, const c10::SymInt& candidates) {
  const bool one_device = grad.dim() == arch.dim() - 1;
  const at::Tensor per_device = one_device ? grad.unsqueeze(-1) : grad;  // [..., D]
  // A sum over the batch, which float32 stops counting at 2^24; not every device has float64.
  const auto wide = grad.is_cpu() ? at::kDouble : at::toOpMathType(grad.scalar_type());
  const at::Tensor index = choices(arch, per_device.sym_size(-1));
  const at::Tensor source = per_device.to(wide).unsqueeze(0).flatten(0, -2).t().unsqueeze(1);  // [D, 1, N]
  const at::Tensor table = source.new_zeros_symint({index.sym_size(0), index.sym_size(1), candidates})
                               .scatter_add(-1, index, source.expand_symint({-1, index.sym_size(1), -1}))
                               .to(grad.scalar_type());
  return one_device ? table.squeeze(0) : table;
}

}  // namespace composite

namespace {

at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_arch_latency(arch, table_us);
  return composite::arch_latency(arch, table_us);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) { m.impl("arch_latency", TORCH_FN(arch_latency)); }

}  // namespace latgrad::ops
