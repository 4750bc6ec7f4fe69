#include <ATen/Dispatch.h>
#include <torch/library.h>

#include "ops/cpu/accumulate.h"
#include "ops/cpu/batch_sums.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/row_operands.h"
#include "ops/gumbel_latency_checks.h"

namespace latgrad::ops {
namespace {

// The noise of a sample: a seed, or the values themselves.
template <typename T>
class Noise {
 public:
  Noise(const at::Tensor& noise, double temperature) : temperature_(static_cast<Accumulate<T>>(temperature)) {
    if (is_seed(noise)) {
      seed_ = static_cast<uint64_t>(noise.item<int64_t>());
    } else {
      dense_ = noise.contiguous();
      values_ = dense_.data_ptr<T>();
    }
  }

  // z = (logits + noise) / temperature for the values [first, first + size).
  void add(const Accumulate<T>* logits, int64_t first, int64_t size, Accumulate<T>* z) const {
    if (!values_) return simd::add_gumbel_noise(seed_, first, logits, size, temperature_, z);
    for (int64_t i = 0; i < size; ++i) {
      z[i] = (logits[i] + static_cast<Accumulate<T>>(values_[first + i])) / temperature_;
    }
  }

 private:
  Accumulate<T> temperature_;
  uint64_t seed_ = 0;
  at::Tensor dense_;
  const T* values_ = nullptr;
};

// L is the dtype of the latency, the wider one of logits and table.
template <typename T, typename L>
void sample(const at::Tensor& logits, const at::Tensor& table_us, const Noise<T>& noise,
            const Optional<at::Tensor>& valid, bool hard, at::Tensor& weights, at::Tensor& latency_us) {
  using Acc = Accumulate<T>;
  using Sum = Accumulate<L>;
  // The latency is that of the weights that are returned, which half precision has rounded, and of the table
  // as it is, which may be wider than the weights.
  constexpr bool kFromWeights = kIsConverted<T> || !std::is_same_v<Acc, Sum>;
  const RowSizes sizes(logits, table_us);
  const int64_t block = std::min(sizes.batch, sizes.chunk());
  const auto table = pack_table<Acc>(table_us, valid, block);
  const auto table_of_sums = pack_table<Sum>(table_us, valid, kFromWeights ? block : 0);
  const T* x = logits.data_ptr<T>();
  T* w = weights.data_ptr<T>();
  L* us = latency_us.data_ptr<L>();
  for_each_chunk(sizes.batch, sizes.chunk(), [&](int64_t begin, int64_t end) {
    Reader<T> read;
    Writer<T> write;
    std::vector<Acc> z;
    std::vector<Acc> acc_us;
    std::vector<Sum> wide_weights;
    std::vector<Sum> wide_us;
    for_each_block(begin, end, true, sizes.entries, [&](int64_t n, int64_t size) {
      const int64_t first = n * sizes.entries;
      const int64_t values = size * sizes.entries;
      z.resize(values);
      acc_us.resize(size * sizes.devices);
      noise.add(read(x + first, values), first, values, z.data());
      simd::sample_forward(table, z.data(), size, hard, write(w + first, values), acc_us.data());
      write.finish();
      if constexpr (kFromWeights) {
        wide_weights.assign(w + first, w + first + values);
        wide_us.resize(size * sizes.devices);
        simd::latency_of_weights(table_of_sums, wide_weights.data(), size, wide_us.data());
        std::copy(wide_us.begin(), wide_us.end(), us + n * sizes.devices);
      } else {
        std::copy(acc_us.begin(), acc_us.end(), us + n * sizes.devices);
      }
    });
  });
}

template <typename T>
struct Upstream {
  const T* weights;              // null: zero
  const Accumulate<T>* latency;  // null: zero
};

template <typename T>
void backward(const Upstream<T>& grad, const at::Tensor& soft, const at::Tensor& weights,
              const at::Tensor& table_us, double temperature, const Optional<at::Tensor>& valid,
              at::Tensor* grad_logits, at::Tensor* grad_table) {
  const RowSizes sizes(soft, table_us);
  BatchSums sums(grad_table ? sizes.batch : 0, sizes.devices * sizes.entries, sizes.chunk());
  const int64_t chunk = grad_table ? sums.chunk() : sizes.chunk();
  const auto table = pack_table<Accumulate<T>>(table_us, valid, std::min(sizes.batch, chunk));
  const T* p = soft.data_ptr<T>();
  const T* w = weights.data_ptr<T>();
  T* to_logits = grad_logits ? grad_logits->data_ptr<T>() : nullptr;
  for_each_chunk(sizes.batch, chunk, [&](int64_t begin, int64_t end) {
    Reader<T> read_soft;
    Reader<T> read_weights;
    Reader<T> read_grad;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, sizes.entries, [&](int64_t n, int64_t size) {
      const int64_t first = n * sizes.entries;
      const int64_t values = size * sizes.entries;
      simd::sample_backward<Accumulate<T>>(
          table,
          {.soft = read_soft(p + first, values),
           .weights = read_weights(w + first, values),
           .grad_weights = grad.weights ? read_grad(grad.weights + first, values) : nullptr,
           .grad_latency = grad.latency ? grad.latency + n * sizes.devices : nullptr,
           .temperature = static_cast<Accumulate<T>>(temperature),
           .grad_logits = to_logits ? write(to_logits + first, values) : nullptr,
           .grad_table = grad_table ? sums.of_chunk(begin) : nullptr},
          size);
      write.finish();
    });
  });
  if (grad_table) sums.write_to(*grad_table);
}

double checked_value(const at::Tensor& temperature) {
  // item() would go through the dispatcher.
  const double value = temperature.is_cpu() && temperature.scalar_type() == at::kDouble
                           ? *temperature.data_ptr<double>()
                           : temperature.item<double>();
  check_temperature(value);
  return value;
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& given_logits,
                                                         const at::Tensor& table_us, const at::Tensor& noise,
                                                         const at::Tensor& temperature,
                                                         const Optional<at::Tensor>& valid, bool hard) {
  check_gumbel_latency_sample(given_logits, table_us, noise, temperature, valid);
  check_table_values(table_us, valid);
  check_valid_values(valid);
  const at::Tensor logits = given_logits.contiguous();
  at::Tensor weights = new_output(logits);
  at::Tensor latency_us = at::empty_symint(latency_sizes(logits, table_us),
                                           logits.options().dtype(wider_dtype(logits, table_us)));
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, logits.scalar_type(), "gumbel_latency_sample", [&] {
        using weight_t = scalar_t;
        const Noise<weight_t> values(noise, checked_value(temperature));
        AT_DISPATCH_FLOATING_TYPES_AND2(
            at::kHalf, at::kBFloat16, latency_us.scalar_type(), "gumbel_latency_sample",
            [&] { sample<weight_t, scalar_t>(logits, table_us, values, valid, hard, weights, latency_us); });
      });
  return {weights, latency_us};
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(
    const Optional<at::Tensor>& grad_weights, const Optional<at::Tensor>& grad_latency,
    const at::Tensor& given_soft, const at::Tensor& weights, const at::Tensor& table_us,
    const at::Tensor& temperature, const Optional<at::Tensor>& valid, std::array<bool, 2> output_mask) {
  check_gumbel_latency_backward(grad_weights, grad_latency, given_soft, weights, table_us, temperature,
                                valid);
  const at::Tensor soft = given_soft.contiguous();
  const at::Tensor dense_weights = weights.contiguous();
  const at::Tensor to_weights = grad_weights ? grad_weights->contiguous() : at::Tensor();
  at::Tensor grad_logits = output_mask[0] ? new_output(soft) : at::empty({0}, soft.options());
  at::Tensor grad_table = output_mask[1] ? new_output(table_us) : at::empty({0}, table_us.options());
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, soft.scalar_type(), "gumbel_latency_backward", [&] {
        using Acc = Accumulate<scalar_t>;
        const at::Tensor to_latency =
            grad_latency ? grad_latency->to(c10::CppTypeToScalarType<Acc>::value).contiguous() : at::Tensor();
        backward<scalar_t>({.weights = grad_weights ? to_weights.data_ptr<scalar_t>() : nullptr,
                            .latency = grad_latency ? to_latency.data_ptr<Acc>() : nullptr},
                           soft, dense_weights, table_us, checked_value(temperature), valid,
                           output_mask[0] ? &grad_logits : nullptr, output_mask[1] ? &grad_table : nullptr);
      });
  return {grad_logits, grad_table};
}

at::Tensor gumbel_noise(const at::Tensor& seed, const at::Tensor& like) {
  check_gumbel_noise(seed, like);
  at::Tensor noise = at::zeros_like(like, at::MemoryFormat::Contiguous);
  const auto number = static_cast<uint64_t>(seed.item<int64_t>());
  AT_DISPATCH_FLOATING_TYPES(noise.scalar_type(), "gumbel_noise", [&] {
    scalar_t* values = noise.data_ptr<scalar_t>();
    simd::add_gumbel_noise<scalar_t>(number, 0, values, noise.numel(), 1, values);
  });
  return noise;
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) {
  m.impl("gumbel_noise", TORCH_FN(gumbel_noise));
  m.impl("gumbel_latency_sample.Tensor", TORCH_FN(gumbel_latency_sample));
  m.impl("gumbel_latency_backward", TORCH_FN(gumbel_latency_backward));
}

}  // namespace latgrad::ops
