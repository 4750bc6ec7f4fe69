#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <atomic>

#include "ops/arch_latency_checks.h"
#include "ops/cpu/parallel.h"

namespace latgrad::ops {
namespace {

// The flat position of the first index of `arch` that is no candidate, or -1.
template <typename Index>
int64_t find_invalid(const Index* arch, int64_t size, int64_t candidates) {
  std::atomic<int64_t> first = size;
  for_each_chunk(size, kElementsPerTask, [&](int64_t begin, int64_t end) {
    bool fine = true;
    for (int64_t i = begin; i < end; ++i) {
      // One unsigned comparison covers negative indexes, too.
      fine &= static_cast<uint64_t>(arch[i]) < static_cast<uint64_t>(candidates);
    }
    if (fine) return;
    int64_t bad = begin;
    while (static_cast<uint64_t>(arch[bad]) < static_cast<uint64_t>(candidates)) ++bad;
    int64_t seen = first.load();
    while (bad < seen && !first.compare_exchange_weak(seen, bad)) {
    }
  });
  return first == size ? -1 : first.load();
}

template <typename Index>
void sum_layers(const at::Tensor& arch, const at::Tensor& table, at::Tensor& out) {
  const Index* choice = arch.data_ptr<Index>();
  const double* t = table.data_ptr<double>();
  double* result = out.data_ptr<double>();
  const int64_t candidates = table.size(-1);
  const int64_t layers = table.size(-2);
  const int64_t devices = table.dim() == 3 ? table.size(0) : 1;
  const int64_t bad = find_invalid(choice, arch.numel(), candidates);
  TORCH_CHECK(bad < 0, "arch must hold candidate indexes from 0 to ", candidates - 1, " (table_us has ",
              candidates, " candidates), got ", static_cast<int64_t>(choice[bad]), " in layer ", bad % layers,
              " of architecture ", bad / layers);
  for_each_chunk(arch.numel() / layers, rows_per_task(layers * devices), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t d = 0; d < devices; ++d) {
        const double* row = t + d * layers * candidates;
        double sum = 0;
        for (int64_t layer = 0; layer < layers; ++layer) {
          sum += row[layer * candidates + static_cast<int64_t>(choice[n * layers + layer])];
        }
        result[n * devices + d] = sum;
      }
    }
  });
}

at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_arch_latency(arch, table_us);
  check_table_values(table_us);
  const at::Tensor table = table_us.to(at::kDouble).contiguous();
  at::Tensor out = table.new_empty_symint(arch_latency_sizes(arch, table_us));
  const at::Tensor dense_arch = arch.contiguous();
  if (arch.scalar_type() == at::kByte) {
    sum_layers<uint8_t>(dense_arch, table, out);
  } else {
    sum_layers<int64_t>(dense_arch, table, out);
  }
  return out.to(table_us.scalar_type());
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) { m.impl("arch_latency", TORCH_FN(arch_latency)); }

}  // namespace latgrad::ops
