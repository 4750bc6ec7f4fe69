// Matrix products, float and int8.

#include "boxed_operator.h"
#include "int8_scales.h"
#include "int8_weights.h"
#include "kernels.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

// `transposed`: the weight is [in, out] instead of [out, in].
template <bool transposed>
Kernel make_fc(const lut::OperatorKey& key, const Target& target) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, arguments(key).integer("axis", 1));
  const net::Shape shape = flatten_from(input_shape(key, 1), arguments(key).integer("axis_w", 1));
  const int64_t fan_in = shape[transposed ? 0 : 1];
  at::Tensor weight = to_device(random_tensor(shape, weight_bound(fan_in)), target);
  if (transposed) weight = weight.t();
  const at::Tensor bias = to_device(optional_bias(key, 2), target);
  return {.activations = {matrix},
          .run = [=](const std::vector<at::Tensor>& x) { return at::linear(x[0], weight, bias); }};
}

Kernel make_matmul(const lut::OperatorKey& key, const Target&) {
  Activation a = activation(key, 0, false);
  Activation b = activation(key, 1, false);
  a.shape = flatten_from(a.shape, arguments(key).integer("axis_a", 1));
  b.shape = flatten_from(b.shape, arguments(key).integer("axis_b", 1));
  const bool transpose_a = arguments(key).integer("trans_a", 0) != 0;
  const bool transpose_b = arguments(key).integer("trans_b", 0) != 0;
  return {.activations = {a, b}, .run = [=](const std::vector<at::Tensor>& x) {
            return at::mm(transpose_a ? x[0].t() : x[0], transpose_b ? x[1].t() : x[1]);
          }};
}

// In the last two dimensions; a vector is not transposed.
Kernel make_batch_matmul(const lut::OperatorKey& key, const Target&) {
  const auto is_transposed = [&](const char* name, size_t input) {
    return arguments(key).flag(name) && input_shape(key, input).size() > 1;
  };
  return {.activations = {activation(key, 0, false), activation(key, 1, false)},
          .run = [transpose_a = is_transposed("trans_a", 0),
                  transpose_b = is_transposed("trans_b", 1)](const std::vector<T>& x) {
            return at::matmul(transpose_a ? x[0].transpose(-1, -2) : x[0],
                              transpose_b ? x[1].transpose(-1, -2) : x[1]);
          }};
}

Kernel make_dot_product(const lut::OperatorKey& key, const Target&) {
  Activation a = activation(key, 0, false);
  Activation b = activation(key, 1, false);
  a.shape = flatten_from(a.shape, 1);
  b.shape = flatten_from(b.shape, 1);
  return {.activations = {a, b}, .run = [](const std::vector<T>& x) { return at::mul(x[0], x[1]).sum({1}); }};
}

Kernel make_int8_fc_kernel(const lut::OperatorKey& key, const char* name) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, arguments(key).integer("axis", 1));
  const net::Shape shape = flatten_from(input_shape(key, 1), arguments(key).integer("axis_w", 1));
  const at::Tensor weight = quantize_weight(random_tensor(shape, weight_bound(shape[1])));
  c10::IValue packed = BoxedOperator("quantized::linear_prepack", "")(weight, bias_value(key));
  return {.activations = {matrix},
          .run = [packed, linear = BoxedOperator(name, "")](const std::vector<at::Tensor>& x) {
            return linear(x[0], packed, kActivationScale, kZeroPoint).toTensor();
          }};
}

Kernel make_int8_fc(const lut::OperatorKey& key, const Target&) {
  return make_int8_fc_kernel(key, "quantized::linear");
}
Kernel make_int8_fc_relu(const lut::OperatorKey& key, const Target&) {
  return make_int8_fc_kernel(key, "quantized::linear_relu");
}

}  // namespace

std::span<const KernelEntry> fc_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"BatchMatMul", make_batch_matmul}, {"DotProduct", make_dot_product}, {"FC", make_fc<false>},
      {"FCTransposed", make_fc<true>},    {"MatMul", make_matmul},          {"Int8FC", make_int8_fc},
      {"Int8FCRelu", make_int8_fc_relu},
  };
  return kKernels;
}

}  // namespace latgrad::runner
