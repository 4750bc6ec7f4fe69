#include <ATen/Dispatch.h>
#include <torch/library.h>

#include "ops/cpu/accumulate.h"
#include "ops/cpu/batch_sums.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/row_operands.h"
#include "ops/cpu/simd/row_products.h"
#include "ops/expected_latency_checks.h"

namespace latgrad::ops {
namespace {

// The table in the type in which is added up, and its sizes.
template <typename T>
class Table {
 public:
  Table(const at::Tensor& table_us, const RowSizes& sizes)
      : dense_(table_us.to(c10::CppTypeToScalarType<T>::value).contiguous()),
        flat_{.table_us = dense_.data_ptr<T>(), .devices = sizes.devices, .entries = sizes.entries} {}

  const simd::FlatTable<T>& flat() const { return flat_; }

 private:
  at::Tensor dense_;
  simd::FlatTable<T> flat_;
};

template <typename T>
void forward(const at::Tensor& probs, const at::Tensor& table_us, const RowSizes& sizes, at::Tensor& out) {
  const Table<Accumulate<T>> table(table_us, sizes);
  const T* p = probs.data_ptr<T>();
  T* result = out.data_ptr<T>();
  for_each_chunk(sizes.batch, sizes.chunk(), [&](int64_t begin, int64_t end) {
    Reader<T> read;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, sizes.entries, [&](int64_t n, int64_t size) {
      simd::row_dots(read(p + n * sizes.entries, size * sizes.entries), table.flat(), size,
                     write(result + n * sizes.devices, size * sizes.devices));
      write.finish();
    });
  });
}

// grad_probs[n, e] = sum over d of grad[n, d] * table[d, e]
template <typename T>
void backward_probs(const at::Tensor& grad, const at::Tensor& table_us, const RowSizes& sizes,
                    at::Tensor& out) {
  const Table<Accumulate<T>> table(table_us, sizes);
  const T* g = grad.data_ptr<T>();
  T* result = out.data_ptr<T>();
  for_each_chunk(sizes.batch, sizes.chunk(), [&](int64_t begin, int64_t end) {
    Reader<T> read;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, sizes.entries, [&](int64_t n, int64_t size) {
      simd::row_gradients(read(g + n * sizes.devices, size * sizes.devices), table.flat(), size,
                          write(result + n * sizes.entries, size * sizes.entries));
      write.finish();
    });
  });
}

// grad_table[d, e] = sum over n of grad[n, d] * probs[n, e]
template <typename T>
void backward_table(const at::Tensor& grad, const at::Tensor& probs, const RowSizes& sizes, at::Tensor& out) {
  const T* g = grad.data_ptr<T>();
  const T* p = probs.data_ptr<T>();
  const auto [devices, entries, batch] = sizes;
  BatchSums sums(batch, devices * entries, rows_per_task(devices * entries));
  for_each_chunk(batch, sums.chunk(), [&, devices = devices, entries = entries](int64_t begin, int64_t end) {
    double* partial = sums.of_chunk(begin);
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t d = 0; d < devices; ++d) {
        const double scale = static_cast<double>(g[n * devices + d]);
        double* sum = partial + d * entries;
        for (int64_t e = 0; e < entries; ++e) sum[e] += scale * static_cast<double>(p[n * entries + e]);
      }
    }
  });
  sums.write_to(out);
}

at::Tensor expected_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ExpectedLatencyOperands(given_probs, given_table_us);
  check_table_values(table_us);
  const RowSizes sizes(probs, table_us);
  at::Tensor out = probs.new_empty_symint(latency_sizes(probs, table_us));
  const at::Tensor dense_probs = probs.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, probs.scalar_type(), "expected_latency",
      [&, &table = table_us] { forward<scalar_t>(dense_probs, table, sizes, out); });
  return out;
}

std::tuple<at::Tensor, at::Tensor> expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                             const at::Tensor& table_us,
                                                             std::array<bool, 2> output_mask) {
  check_expected_latency_backward(grad, probs, table_us);
  const RowSizes sizes(probs, table_us);
  at::Tensor grad_probs = output_mask[0] ? new_output(probs) : at::empty({0}, probs.options());
  at::Tensor grad_table = output_mask[1] ? new_output(table_us) : at::empty({0}, table_us.options());
  const at::Tensor dense_grad = grad.contiguous();
  const at::Tensor dense_probs = output_mask[1] ? probs.contiguous() : probs;
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, probs.scalar_type(), "expected_latency_backward",
                                  [&] {
                                    if (output_mask[0])
                                      backward_probs<scalar_t>(dense_grad, table_us, sizes, grad_probs);
                                    if (output_mask[1])
                                      backward_table<scalar_t>(dense_grad, dense_probs, sizes, grad_table);
                                  });
  return {grad_probs, grad_table};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) {
  m.impl("expected_latency", TORCH_FN(expected_latency));
  m.impl("expected_latency_backward", TORCH_FN(expected_latency_backward));
}

}  // namespace latgrad::ops
