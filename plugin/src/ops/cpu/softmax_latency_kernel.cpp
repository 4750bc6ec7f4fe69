#include <ATen/Dispatch.h>
#include <torch/library.h>

#include "ops/cpu/accumulate.h"
#include "ops/cpu/batch_sums.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/row_operands.h"
#include "ops/softmax_latency_checks.h"

namespace latgrad::ops {
namespace {

template <typename T>
void forward(const at::Tensor& logits, const at::Tensor& table_us, const Optional<at::Tensor>& valid,
             at::Tensor& out) {
  const RowSizes sizes(logits, table_us);
  const auto table = pack_table<Accumulate<T>>(table_us, valid, std::min(sizes.batch, sizes.chunk()));
  const T* x = logits.data_ptr<T>();
  T* result = out.data_ptr<T>();
  for_each_chunk(sizes.batch, sizes.chunk(), [&](int64_t begin, int64_t end) {
    Reader<T> read;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, sizes.entries, [&](int64_t n, int64_t size) {
      simd::softmax_forward(table, read(x + n * sizes.entries, size * sizes.entries), size,
                            write(result + n * sizes.devices, size * sizes.devices));
      write.finish();
    });
  });
}

template <typename T>
void backward(const at::Tensor& grad, const at::Tensor& logits, const at::Tensor& table_us,
              const Optional<at::Tensor>& valid, at::Tensor* grad_logits, at::Tensor* grad_table) {
  const RowSizes sizes(logits, table_us);
  BatchSums sums(grad_table ? sizes.batch : 0, sizes.devices * sizes.entries, sizes.chunk());
  const int64_t chunk = grad_table ? sums.chunk() : sizes.chunk();
  const auto table = pack_table<Accumulate<T>>(table_us, valid, std::min(sizes.batch, chunk));
  const T* g = grad.data_ptr<T>();
  const T* x = logits.data_ptr<T>();
  T* to_logits = grad_logits ? grad_logits->data_ptr<T>() : nullptr;
  for_each_chunk(sizes.batch, chunk, [&](int64_t begin, int64_t end) {
    Reader<T> read_grad;
    Reader<T> read;
    Writer<T> write;
    for_each_block(begin, end, kIsConverted<T>, sizes.entries, [&](int64_t n, int64_t size) {
      simd::softmax_backward(table, read(x + n * sizes.entries, size * sizes.entries),
                             read_grad(g + n * sizes.devices, size * sizes.devices), size,
                             to_logits ? write(to_logits + n * sizes.entries, size * sizes.entries) : nullptr,
                             grad_table ? sums.of_chunk(begin) : nullptr);
      write.finish();
    });
  });
  if (grad_table) sums.write_to(*grad_table);
}

at::Tensor softmax_latency(const at::Tensor& given_logits, const at::Tensor& given_table_us,
                           const Optional<at::Tensor>& valid) {
  const SoftmaxLatencyOperands operands(given_logits, given_table_us, valid);
  check_table_values(operands.table_us, valid);
  check_valid_values(valid);
  at::Tensor out =
      at::empty_symint(latency_sizes(operands.logits, operands.table_us), operands.logits.options());
  const at::Tensor logits = operands.logits.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, logits.scalar_type(), "softmax_latency",
                                  [&] { forward<scalar_t>(logits, operands.table_us, valid, out); });
  return out;
}

std::tuple<at::Tensor, at::Tensor> softmax_latency_backward(const at::Tensor& grad,
                                                            const at::Tensor& given_logits,
                                                            const at::Tensor& table_us,
                                                            const Optional<at::Tensor>& valid,
                                                            std::array<bool, 2> output_mask) {
  check_softmax_latency_backward(grad, given_logits, table_us, valid);
  const at::Tensor logits = given_logits.contiguous();
  at::Tensor grad_logits = output_mask[0] ? new_output(logits) : at::empty({0}, logits.options());
  at::Tensor grad_table = output_mask[1] ? new_output(table_us) : at::empty({0}, table_us.options());
  const at::Tensor dense_grad = grad.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, logits.scalar_type(), "softmax_latency_backward", [&] {
        backward<scalar_t>(dense_grad, logits, table_us, valid, output_mask[0] ? &grad_logits : nullptr,
                           output_mask[1] ? &grad_table : nullptr);
      });
  return {grad_logits, grad_table};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) {
  m.impl("softmax_latency", TORCH_FN(softmax_latency));
  m.impl("softmax_latency_backward", TORCH_FN(softmax_latency_backward));
}

}  // namespace latgrad::ops
