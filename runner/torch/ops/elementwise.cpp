// Arithmetic of several tensors, float and int8.

#include "boxed_operator.h"
#include "int8_scales.h"
#include "operands.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

enum class Then { kNothing, kRelu, kMean };

template <Then then>
Kernel make_sum(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = follow_all(key, target, 2);
  kernel.run = [count = static_cast<double>(key.input_shapes.size())](const std::vector<at::Tensor>& x) {
    at::Tensor sum = at::add(x[0], x[1]);
    for (size_t index = 2; index < x.size(); ++index) sum.add_(x[index]);
    if (then == Then::kRelu) sum.relu_();
    if (then == Then::kMean) sum.div_(count);
    return sum;
  };
  return kernel;
}

template <auto function>
Kernel make_extreme(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = follow_all(key, target, 2);
  kernel.run = [](const std::vector<at::Tensor>& x) {
    at::Tensor result = function(x[0], x[1]);
    for (size_t index = 2; index < x.size(); ++index) result = function(result, x[index]);
    return result;
  };
  return kernel;
}

template <auto function>
Kernel make_binary(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = broadcast(key, target);
  kernel.run = [](const std::vector<at::Tensor>& x) { return function(x[0], x[1]); };
  return kernel;
}

Kernel make_pow(const lut::OperatorKey& key, const Target& target) {
  if (key.input_shapes.size() > 1)
    return make_binary<[](const auto& a, const auto& b) { return at::pow(a, b); }>(key, target);
  return follow(key, target,
                [e = arguments(key).number("exponent", 1)](const at::Tensor& x) { return at::pow(x, e); });
}

// The condition is the kernel's own.
Kernel make_where(const lut::OperatorKey& key, const Target& target) {
  const T condition = to_device(at::rand(input_shape(key, 0)).gt(0.5), target);
  return {.activations = {activation(key, 1, false), activation(key, 2, false)},
          .run = [condition](const std::vector<T>& x) { return at::where(condition, x[0], x[1]); }};
}

Kernel make_elementwise_linear(const lut::OperatorKey& key, const Target& target) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, arguments(key).integer("axis", 1));
  const T scale = to_device(random_positive({matrix.shape[1]}), target);
  const T bias = to_device(random_tensor({matrix.shape[1]}, 0.1), target);
  return {.activations = {matrix},
          .run = [=](const std::vector<T>& x) { return at::mul(x[0], scale).add_(bias); }};
}

// `last_name`: what sums up the last summand.
Kernel make_int8_sum_kernel(const lut::OperatorKey& key, const Target& target, const char* last_name) {
  Kernel kernel = follow_all(key, target, 2);
  kernel.run = [add = BoxedOperator("quantized::add", ""),
                add_last = BoxedOperator(last_name, "")](const std::vector<T>& x) {
    c10::IValue sum = x[0];
    for (size_t index = 1; index + 1 < x.size(); ++index)
      sum = add(std::move(sum), x[index], kActivationScale, kZeroPoint);
    return add_last(std::move(sum), x.back(), kActivationScale, kZeroPoint).toTensor();
  };
  return kernel;
}

Kernel make_int8_sum(const lut::OperatorKey& key, const Target& target) {
  return make_int8_sum_kernel(key, target, "quantized::add");
}
Kernel make_int8_sum_relu(const lut::OperatorKey& key, const Target& target) {
  return make_int8_sum_kernel(key, target, "quantized::add_relu");
}

Kernel make_int8_mul(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = broadcast(key, target);
  kernel.run = [mul = BoxedOperator("quantized::mul", "")](const std::vector<T>& x) {
    return mul(x[0], x[1], kActivationScale, kZeroPoint).toTensor();
  };
  return kernel;
}

}  // namespace

std::span<const KernelEntry> elementwise_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Max", make_extreme<[](const T& a, const T& b) { return at::maximum(a, b); }>},
      {"Mean", make_sum<Then::kMean>},
      {"Min", make_extreme<[](const T& a, const T& b) { return at::minimum(a, b); }>},
      {"Sum", make_sum<Then::kNothing>},
      {"SumRelu", make_sum<Then::kRelu>},
      {"Add", make_binary<[](const T& a, const T& b) { return at::add(a, b); }>},
      {"Div", make_binary<[](const T& a, const T& b) { return at::div(a, b); }>},
      {"ElementwiseLinear", make_elementwise_linear},
      {"Mul", make_binary<[](const T& a, const T& b) { return at::mul(a, b); }>},
      {"Pow", make_pow},
      {"Sub", make_binary<[](const T& a, const T& b) { return at::sub(a, b); }>},
      {"Where", make_where},
      {"Int8Add", make_int8_sum},
      {"Int8AddRelu", make_int8_sum_relu},
      {"Int8Mul", make_int8_mul},
      {"Int8Sum", make_int8_sum},
      {"Int8SumRelu", make_int8_sum_relu},
  };
  return kKernels;
}

}  // namespace latgrad::runner
