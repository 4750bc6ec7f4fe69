// Functions of one tensor, element by element, float and int8. Not in place, though networks run some in
// place: the write is the same, and the input may have other readers.

#include <limits>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

double alpha(const lut::OperatorKey& key, double otherwise) {
  return arguments(key).number("alpha", otherwise);
}

Kernel make_clip(const lut::OperatorKey& key, const Target& target) {
  const double least = arguments(key).number("min", std::numeric_limits<float>::lowest());
  const double most = arguments(key).number("max", std::numeric_limits<float>::max());
  return follow(key, target, [=](const at::Tensor& x) { return at::clamp(x, least, most); });
}

Kernel make_elu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [a = alpha(key, 1)](const at::Tensor& x) { return at::elu(x, a); });
}

Kernel make_celu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [a = alpha(key, 1)](const T& x) { return at::celu(x, a); });
}

Kernel make_gelu(const lut::OperatorKey& key, const Target& target) {
  const bool is_fast = arguments(key).flag("fast_gelu");
  return follow(key, target, [is_fast](const T& x) { return at::gelu(x, is_fast ? "tanh" : "none"); });
}

Kernel make_hard_sigmoid(const lut::OperatorKey& key, const Target& target) {
  const double slope = alpha(key, 0.2);
  const double middle = arguments(key).number("beta", 0.5);
  return follow(key, target,
                [=](const at::Tensor& x) { return at::mul(x, slope).add_(middle).clamp_(0, 1); });
}

Kernel make_leaky_relu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [a = alpha(key, 0.01)](const at::Tensor& x) { return at::leaky_relu(x, a); });
}

Kernel make_relu_n(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target,
                [n = arguments(key).number("n", 6)](const at::Tensor& x) { return at::clamp(x, 0, n); });
}

Kernel make_scale(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target,
                [s = arguments(key).number("scale", 1)](const at::Tensor& x) { return at::mul(x, s); });
}

Kernel make_thresholded_relu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [a = alpha(key, 1)](const at::Tensor& x) { return at::threshold(x, a, 0); });
}

Kernel make_prelu(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel;
  kernel.activations = {activation(key, 0, is_nhwc(key))};
  kernel.channels_last = is_nhwc(key);
  const at::Tensor slope = to_device(random_tensor(input_shape(key, 1), 0.25), target);
  if (is_nhwc(key) && !kernel.activations[0].channels_last) {
    throw ValueError("an image in order NHWC must have 4 dimensions to be measured, got " +
                     net::to_string(input_shape(key, 0)));
  }
  kernel.run = [=](const std::vector<at::Tensor>& x) { return at::prelu(x[0], slope); };
  return kernel;
}

Kernel make_mod(const lut::OperatorKey& key, const Target& target) {
  const int64_t divisor = arguments(key).integer("divisor", 0);
  if (divisor == 0) throw ValueError("divisor must be given and not be 0");
  return follow(key, target, [=](const T& x) { return at::fmod(x, divisor); });
}

Kernel make_dropout(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [ratio = arguments(key).number("ratio", 0.5)](const T& x) {
    return at::dropout(x, ratio, /*train=*/false);
  });
}

Kernel make_int8_leaky_relu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [slope = arguments(key).number("alpha", 0.01)](const T& x) {
    return at::leaky_relu(x, slope);
  });
}

}  // namespace

std::span<const KernelEntry> activation_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Abs", follow_with<[](const T& x) { return at::abs(x); }>},
      {"Alias", follow_with<[](const T& x) { return at::alias(x); }>},
      {"Ceil", follow_with<[](const T& x) { return at::ceil(x); }>},
      {"Clip", make_clip},
      {"Copy", follow_with<[](const T& x) { return at::clone(x); }>},
      {"Cos", follow_with<[](const T& x) { return at::cos(x); }>},
      {"Cube", follow_with<[](const T& x) { return at::pow(x, 3); }>},
      {"Dropout", make_dropout},
      {"Celu", make_celu},
      {"Elu", make_elu},
      {"Erf", follow_with<[](const T& x) { return at::erf(x); }>},
      {"Exp", follow_with<[](const T& x) { return at::exp(x); }>},
      {"Floor", follow_with<[](const T& x) { return at::floor(x); }>},
      {"Gelu", make_gelu},
      {"HardSigmoid", make_hard_sigmoid},
      {"HardSwish", follow_with<[](const T& x) { return at::hardswish(x); }>},
      {"LeakyRelu", make_leaky_relu},
      {"Log", follow_with<[](const T& x) { return at::log(x); }>},
      {"Log1p", follow_with<[](const T& x) { return at::log1p(x); }>},
      {"Mish", follow_with<[](const T& x) { return at::mish(x); }>},
      {"Mod", make_mod},
      {"Negative", follow_with<[](const T& x) { return at::neg(x); }>},
      {"PRelu", make_prelu},
      {"Reciprocal", follow_with<[](const T& x) { return at::reciprocal(x); }>},
      {"Relu", follow_with<[](const T& x) { return at::relu(x); }>},
      {"Relu6", follow_with<[](const T& x) { return at::clamp(x, 0, 6); }>},
      {"ReluN", make_relu_n},
      {"Round", follow_with<[](const T& x) { return at::round(x); }>},
      {"Rsqrt", follow_with<[](const T& x) { return at::rsqrt(x); }>},
      {"Scale", make_scale},
      {"Selu", follow_with<[](const T& x) { return at::selu(x); }>},
      {"Sigmoid", follow_with<[](const T& x) { return at::sigmoid(x); }>},
      {"Sign", follow_with<[](const T& x) { return at::sign(x); }>},
      {"Sin", follow_with<[](const T& x) { return at::sin(x); }>},
      {"Softplus", follow_with<[](const T& x) { return at::softplus(x); }>},
      {"Softsign", follow_with<[](const T& x) { return at::div(x, at::abs(x).add_(1)); }>},
      {"Sqr", follow_with<[](const T& x) { return at::square(x); }>},
      {"Sqrt", follow_with<[](const T& x) { return at::sqrt(x); }>},
      {"StopGradient", follow_with<[](const T& x) { return x.detach(); }>},
      {"Swish", follow_with<[](const T& x) { return at::silu(x); }>},
      {"Tanh", follow_with<[](const T& x) { return at::tanh(x); }>},
      {"ThresholdedRelu", make_thresholded_relu},
      {"Int8LeakyRelu", make_int8_leaky_relu},
      {"Int8Relu", follow_with<[](const T& x) { return at::relu(x); }>},
      {"Int8Sigmoid", follow_with<[](const T& x) { return at::sigmoid(x); }>},
      {"Int8Tanh", follow_with<[](const T& x) { return at::tanh(x); }>},
  };
  return kKernels;
}

}  // namespace latgrad::runner
