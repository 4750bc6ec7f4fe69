// Activations, arithmetic, normalisation and conversion in int8.

#include "boxed_operator.h"
#include "int8_scales.h"
#include "kernels.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

Kernel make_quantize(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = follow(key, target, [](const T& x) {
    return at::quantize_per_tensor(x, kActivationScale, kZeroPoint, at::kQUInt8);
  });
  kernel.activations[0].dtype = at::kFloat;
  return kernel;
}

Kernel make_leaky_relu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target,
                [slope = float_arg(key, "alpha", 0.01)](const T& x) { return at::leaky_relu(x, slope); });
}

Kernel make_softmax(const lut::OperatorKey& key, const Target&) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, int_arg(key, "axis", 1));
  return {.activations = {matrix},
          .run = [softmax = BoxedOperator("quantized::softmax", "")](const std::vector<T>& x) {
            return softmax(x[0], int64_t{1}, kSoftmaxScale, kSoftmaxZeroPoint).toTensor();
          }};
}

// `last_name`: what sums up the last summand.
Kernel make_sum_kernel(const lut::OperatorKey& key, const Target& target, const char* last_name) {
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

Kernel make_sum(const lut::OperatorKey& key, const Target& target) {
  return make_sum_kernel(key, target, "quantized::add");
}
Kernel make_sum_relu(const lut::OperatorKey& key, const Target& target) {
  return make_sum_kernel(key, target, "quantized::add_relu");
}

Kernel make_mul(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = broadcast(key, target);
  kernel.run = [mul = BoxedOperator("quantized::mul", "")](const std::vector<T>& x) {
    return mul(x[0], x[1], kActivationScale, kZeroPoint).toTensor();
  };
  return kernel;
}

Kernel make_spatial_bn_kernel(const lut::OperatorKey& key, const char* name) {
  const Activation image = image_activation(key);
  const net::Shape channels = {channels_of(image)};
  const T scale = random_positive(channels);
  const T bias = random_tensor(channels, 0.1);
  const T mean = random_tensor(channels, 0.1);
  const T variance = random_positive(channels);
  return {.activations = {image},
          .run =
              [=, eps = float_arg(key, "epsilon", 1e-5),
               norm = BoxedOperator(name, "")](const std::vector<T>& x) {
                return norm(x[0], scale, bias, mean, variance, eps, kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_spatial_bn(const lut::OperatorKey& key, const Target&) {
  return make_spatial_bn_kernel(key, "quantized::batch_norm2d");
}
Kernel make_spatial_bn_relu(const lut::OperatorKey& key, const Target&) {
  return make_spatial_bn_kernel(key, "quantized::batch_norm2d_relu");
}

}  // namespace

std::span<const KernelEntry> int8_elementwise_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Int8Quantize", make_quantize},
      {"Int8Dequantize", follow_with<[](const T& x) { return x.dequantize(); }>},
      {"Int8LeakyRelu", make_leaky_relu},
      {"Int8Relu", follow_with<[](const T& x) { return at::relu(x); }>},
      {"Int8Sigmoid", follow_with<[](const T& x) { return at::sigmoid(x); }>},
      {"Int8Softmax", make_softmax},
      {"Int8Tanh", follow_with<[](const T& x) { return at::tanh(x); }>},
      {"Int8Add", make_sum},
      {"Int8AddRelu", make_sum_relu},
      {"Int8Sum", make_sum},
      {"Int8SumRelu", make_sum_relu},
      {"Int8Mul", make_mul},
      {"Int8SpatialBN", make_spatial_bn},
      {"Int8SpatialBNRelu", make_spatial_bn_relu},
  };
  return kKernels;
}

}  // namespace latgrad::runner
