#include <ATen/Dispatch.h>
#include <torch/library.h>

#include "ops/cpu/accumulate.h"
#include "ops/cpu/batch_sums.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/row_operands.h"
#include "ops/expected_latency_checks.h"

namespace latgrad::ops {
namespace {

// Independent partial sums, so that the compiler may use vector registers without reordering floating point.
constexpr int64_t kLanes = 16;

template <typename T, typename Acc>
Acc dot(const T* a, const Acc* b, int64_t size) {
  Acc lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<Acc>(a[i + lane]) * b[i + lane];
  }
  Acc sum = 0;
  for (; i < size; ++i) sum += static_cast<Acc>(a[i]) * b[i];
  for (const Acc lane : lanes) sum += lane;
  return sum;
}

template <typename T>
void forward(const at::Tensor& probs, const at::Tensor& table_us, const RowSizes& sizes, at::Tensor& out) {
  using Acc = Accumulate<T>;
  const at::Tensor table = table_us.to(c10::CppTypeToScalarType<Acc>::value).contiguous();
  const T* p = probs.data_ptr<T>();
  const Acc* t = table.data_ptr<Acc>();
  T* result = out.data_ptr<T>();
  const auto [devices, entries, batch] = sizes;
  for_each_chunk(batch, rows_per_task(entries * devices), [=](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t d = 0; d < devices; ++d) {
        result[n * devices + d] = static_cast<T>(dot(p + n * entries, t + d * entries, entries));
      }
    }
  });
}

// grad_probs[n, e] = sum over d of grad[n, d] * table[d, e]
template <typename T>
void backward_probs(const at::Tensor& grad, const at::Tensor& table_us, const RowSizes& sizes,
                    at::Tensor& out) {
  using Acc = Accumulate<T>;
  const at::Tensor table = table_us.to(c10::CppTypeToScalarType<Acc>::value).contiguous();
  const T* g = grad.data_ptr<T>();
  const Acc* t = table.data_ptr<Acc>();
  T* result = out.data_ptr<T>();
  const auto [devices, entries, batch] = sizes;
  for_each_chunk(batch, rows_per_task(entries * devices), [=](int64_t begin, int64_t end) {
    std::vector<Acc> row(entries);
    for (int64_t n = begin; n < end; ++n) {
      std::fill(row.begin(), row.end(), Acc(0));
      for (int64_t d = 0; d < devices; ++d) {
        const Acc scale = static_cast<Acc>(g[n * devices + d]);
        for (int64_t e = 0; e < entries; ++e) row[e] += scale * t[d * entries + e];
      }
      for (int64_t e = 0; e < entries; ++e) result[n * entries + e] = static_cast<T>(row[e]);
    }
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
