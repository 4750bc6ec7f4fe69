#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "ops/chain_latency_checks.h"
#include "ops/cpu/accumulate.h"
#include "ops/cpu/batch_sums.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/parallel.h"
#include "ops/cpu/simd/chain_products.h"

namespace latgrad::ops {
namespace {

// The operands, flattened: n elements of the batch, d devices.
struct ChainSizes {
  ChainSizes(const at::Tensor& probs, const at::Tensor& table_us)
      : devices(table_us.dim() == 4 ? table_us.size(0) : 1),
        layers(table_us.size(-3)),
        candidates(table_us.size(-1)),
        batch(probs.numel() / (layers * candidates)) {}

  int64_t entries() const { return layers * candidates; }
  int64_t table_entries() const { return devices * layers * candidates * candidates; }
  // Elements that make a task worth its start. Sixteen of them fill the vectors.
  int64_t chunk() const { return (rows_per_task(table_entries()) + 15) / 16 * 16; }

  int64_t devices;
  int64_t layers;
  int64_t candidates;
  int64_t batch;
};

// The table in the type in which is added up, and its sizes.
template <typename T>
class Table {
 public:
  Table(const at::Tensor& table_us, const ChainSizes& sizes)
      : dense_(in_dtype(table_us, c10::CppTypeToScalarType<T>::value).contiguous()),
        chain_{.table_us = dense_.data_ptr<T>(),
               .devices = sizes.devices,
               .layers = sizes.layers,
               .candidates = sizes.candidates} {}

  const simd::ChainTable<T>& chain() const { return chain_; }

 private:
  at::Tensor dense_;
  simd::ChainTable<T> chain_;
};

template <typename T>
void forward(const at::Tensor& probs, const at::Tensor& table_us, const ChainSizes& sizes, at::Tensor& out) {
  const Table<Accumulate<T>> table(table_us, sizes);
  const int64_t entries = sizes.entries();
  const T* p = probs.data_ptr<T>();
  T* result = out.data_ptr<T>();
  for_each_chunk(sizes.batch, sizes.chunk(), [&](int64_t begin, int64_t end) {
    Reader<T> read;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, entries, [&](int64_t n, int64_t size) {
      simd::chain_products(read(p + n * entries, size * entries), table.chain(), size,
                           write(result + n * sizes.devices, size * sizes.devices));
      write.finish();
    });
  });
}

template <typename T>
void backward_probs(const at::Tensor& grad, const at::Tensor& probs, const at::Tensor& table_us,
                    const ChainSizes& sizes, at::Tensor& out) {
  const Table<Accumulate<T>> table(table_us, sizes);
  const int64_t entries = sizes.entries();
  const T* g = grad.data_ptr<T>();
  const T* p = probs.data_ptr<T>();
  T* result = out.data_ptr<T>();
  for_each_chunk(sizes.batch, sizes.chunk(), [&](int64_t begin, int64_t end) {
    Reader<T> read;
    Reader<T> read_grad;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, entries, [&](int64_t n, int64_t size) {
      simd::chain_gradients(read_grad(g + n * sizes.devices, size * sizes.devices),
                            read(p + n * entries, size * entries), table.chain(), size,
                            write(result + n * entries, size * entries));
      write.finish();
    });
  });
}

// grad_table[d, l, i, j] = sum over n of grad[n, d] * probs[n, l - 1, i] * probs[n, l, j]; in layer 0, which
// has no predecessor, row 0 alone is paid for.
template <typename T>
void backward_table(const at::Tensor& grad, const at::Tensor& probs, const ChainSizes& sizes,
                    at::Tensor& out) {
  const T* g = grad.data_ptr<T>();
  const T* all_probs = probs.data_ptr<T>();
  const int64_t candidates = sizes.candidates;
  BatchSums sums(sizes.batch, sizes.table_entries(), rows_per_task(sizes.table_entries()));
  for_each_chunk(sizes.batch, sums.chunk(), [&](int64_t begin, int64_t end) {
    double* partial = sums.of_chunk(begin);
    std::vector<double> p(sizes.entries());
    for (int64_t n = begin; n < end; ++n) {
      std::copy_n(all_probs + n * sizes.entries(), sizes.entries(), p.begin());
      double* sum = partial;
      for (int64_t d = 0; d < sizes.devices; ++d) {
        const double scale = static_cast<double>(g[n * sizes.devices + d]);
        for (int64_t j = 0; j < candidates; ++j) sum[j] += scale * p[j];
        sum += candidates * candidates;
        for (const double* before = p.data(); before + candidates < p.data() + sizes.entries();
             before += candidates) {
          for (int64_t i = 0; i < candidates; ++i, sum += candidates) {
            const double weight = scale * before[i];
            for (int64_t j = 0; j < candidates; ++j) sum[j] += weight * before[candidates + j];
          }
        }
      }
    }
  });
  sums.write_to(out);
}

at::Tensor chain_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ChainLatencyOperands(given_probs, given_table_us);
  check_chain_table_values(table_us);
  const ChainSizes sizes(probs, table_us);
  at::Tensor out = probs.new_empty_symint(chain_latency_sizes(probs, table_us));
  const at::Tensor dense_probs = probs.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, probs.scalar_type(), "chain_latency",
      [&, &table = table_us] { forward<scalar_t>(dense_probs, table, sizes, out); });
  return out;
}

std::tuple<at::Tensor, at::Tensor> chain_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                          const at::Tensor& table_us,
                                                          std::array<bool, 2> output_mask) {
  check_chain_latency_backward(grad, probs, table_us);
  const ChainSizes sizes(probs, table_us);
  at::Tensor grad_probs = output_mask[0] ? new_output(probs) : at::empty({0}, probs.options());
  at::Tensor grad_table = output_mask[1] ? new_output(table_us) : at::empty({0}, table_us.options());
  const at::Tensor dense_grad = grad.contiguous();
  const at::Tensor dense_probs = probs.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, probs.scalar_type(), "chain_latency_backward", [&] {
        if (output_mask[0]) backward_probs<scalar_t>(dense_grad, dense_probs, table_us, sizes, grad_probs);
        if (output_mask[1]) backward_table<scalar_t>(dense_grad, dense_probs, sizes, grad_table);
      });
  return {grad_probs, grad_table};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) {
  m.impl("chain_latency", TORCH_FN(chain_latency));
  m.impl("chain_latency_backward", TORCH_FN(chain_latency_backward));
}

}  // namespace latgrad::ops
