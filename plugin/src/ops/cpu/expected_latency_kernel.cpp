#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include "ops/cpu/parallel.h"
#include "ops/expected_latency_checks.h"

namespace latgrad::ops {
namespace {

// Independent partial sums, so that the compiler may use vector registers without reordering floating point.
constexpr int64_t kLanes = 16;

// More ranges than this would cost memory for partial sums without more speed; and all partial sums together
// take at most 32 MiB, or those of one range where that is more.
constexpr int64_t kMaxPartials = 256;
constexpr int64_t kMaxPartialEntries = 1 << 22;

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

// The operands of all three products, flattened: n rows of the batch, d devices, e = layers * candidates.
struct Sizes {
  Sizes(const at::Tensor& probs, const at::Tensor& table_us)
      : devices(table_us.dim() == 3 ? table_us.size(0) : 1),
        entries(table_us.size(-2) * table_us.size(-1)),
        batch(probs.numel() / entries) {}

  int64_t devices;
  int64_t entries;
  int64_t batch;
};

template <typename T>
void forward(const at::Tensor& probs, const at::Tensor& table_us, const Sizes& sizes, at::Tensor& out) {
  using Acc = at::opmath_type<T>;
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
void backward_probs(const at::Tensor& grad, const at::Tensor& table_us, const Sizes& sizes, at::Tensor& out) {
  using Acc = at::opmath_type<T>;
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

// grad_table[d, e] = sum over n of grad[n, d] * probs[n, e]: a sum over the whole batch, hence in double.
template <typename T>
void backward_table(const at::Tensor& grad, const at::Tensor& probs, const Sizes& sizes, at::Tensor& out) {
  const T* g = grad.data_ptr<T>();
  const T* p = probs.data_ptr<T>();
  T* result = out.data_ptr<T>();
  const auto [devices, entries, batch] = sizes;
  const int64_t outputs = devices * entries;
  const int64_t max_chunks = std::clamp<int64_t>(kMaxPartialEntries / outputs, 1, kMaxPartials);
  const int64_t chunk = std::max(rows_per_task(outputs), (batch + max_chunks - 1) / max_chunks);
  const int64_t chunks = (batch + chunk - 1) / chunk;
  std::vector<double> partials(chunks * outputs, 0.0);
  for_each_chunk(batch, chunk, [&, devices = devices, entries = entries](int64_t begin, int64_t end) {
    double* partial = partials.data() + begin / chunk * outputs;
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t d = 0; d < devices; ++d) {
        const double scale = static_cast<double>(g[n * devices + d]);
        double* sum = partial + d * entries;
        for (int64_t e = 0; e < entries; ++e) sum[e] += scale * static_cast<double>(p[n * entries + e]);
      }
    }
  });
  for (int64_t i = 0; i < outputs; ++i) {
    double sum = 0;
    for (int64_t index = 0; index < chunks; ++index) sum += partials[index * outputs + i];
    result[i] = static_cast<T>(sum);
  }
}

at::Tensor expected_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ExpectedLatencyOperands(given_probs, given_table_us);
  check_table_values(table_us);
  const Sizes sizes(probs, table_us);
  at::Tensor out = probs.new_empty_symint(expected_latency_sizes(probs, table_us));
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
  const Sizes sizes(probs, table_us);
  at::Tensor grad_probs =
      output_mask[0] ? at::empty(probs.sizes(), probs.options()) : at::empty({0}, probs.options());
  at::Tensor grad_table =
      output_mask[1] ? at::empty(table_us.sizes(), table_us.options()) : at::empty({0}, table_us.options());
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
