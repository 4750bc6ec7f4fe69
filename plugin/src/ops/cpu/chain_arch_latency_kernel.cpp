#include <ATen/Dispatch.h>
#include <torch/library.h>

#include "ops/chain_latency_checks.h"
#include "ops/cpu/arch_choices.h"
#include "ops/cpu/new_output.h"

namespace latgrad::ops {
namespace {

template <typename Index, typename T>
void sum_layers(const at::Tensor& arch, const at::Tensor& table_us, const ArchSizes& sizes, at::Tensor& out) {
  const Index* choices = arch.data_ptr<Index>();
  const double* us = table_us.data_ptr<double>();
  T* result = out.data_ptr<T>();
  const int64_t candidates = sizes.candidates;
  sum_chunks<Index>(arch, sizes, [&](int64_t begin, int64_t end) {
    if (!are_candidates(choices + begin * sizes.layers, (end - begin) * sizes.layers, candidates))
      return false;
    for (int64_t n = begin; n < end; ++n) {
      const Index* here = choices + n * sizes.layers;
      const double* table = us;
      for (int64_t device = 0; device < sizes.devices; ++device) {
        double sum = 0;
        int64_t before = 0;
        for (int64_t layer = 0; layer < sizes.layers; ++layer, table += candidates * candidates) {
          sum += table[before * candidates + here[layer]];
          before = here[layer];
        }
        result[n * sizes.devices + device] = static_cast<T>(sum);
      }
    }
    return true;
  });
}

at::Tensor chain_arch_latency(const at::Tensor& given_arch, const at::Tensor& table_us) {
  check_chain_arch_latency(given_arch, table_us);
  check_chain_table_values(table_us);
  const at::Tensor table = table_us.to(at::kDouble).contiguous();
  const at::Tensor arch = given_arch.contiguous();
  std::vector<int64_t> out_sizes(arch.sizes().begin(), arch.sizes().end() - 1);
  if (table.dim() == 4) out_sizes.push_back(table.size(0));
  at::Tensor out = new_output(out_sizes, table_us.options());
  const ArchSizes sizes{.devices = table.dim() == 4 ? table.size(0) : 1,
                        .layers = table.size(-3),
                        .candidates = table.size(-1),
                        .batch = arch.numel() / table.size(-3)};
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, table_us.scalar_type(), "chain_arch_latency",
                                  [&] {
                                    if (arch.scalar_type() == at::kByte) {
                                      sum_layers<uint8_t, scalar_t>(arch, table, sizes, out);
                                    } else {
                                      sum_layers<int64_t, scalar_t>(arch, table, sizes, out);
                                    }
                                  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) { m.impl("chain_arch_latency", TORCH_FN(chain_arch_latency)); }

}  // namespace latgrad::ops
