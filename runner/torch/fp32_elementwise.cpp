// Activations and arithmetic in float, element by element. Not in place, though networks run some in place:
// the write is the same, and the input may have other readers.

#include <limits>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

double alpha(const lut::OperatorKey& key, double otherwise) { return float_arg(key, "alpha", otherwise); }

Kernel make_clip(const lut::OperatorKey& key, const Target& target) {
  const double least = float_arg(key, "min", std::numeric_limits<float>::lowest());
  const double most = float_arg(key, "max", std::numeric_limits<float>::max());
  return follow(key, target, [=](const at::Tensor& x) { return at::clamp(x, least, most); });
}

Kernel make_elu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [a = alpha(key, 1)](const at::Tensor& x) { return at::elu(x, a); });
}

Kernel make_hard_sigmoid(const lut::OperatorKey& key, const Target& target) {
  const double slope = alpha(key, 0.2);
  const double middle = float_arg(key, "beta", 0.5);
  return follow(key, target,
                [=](const at::Tensor& x) { return at::mul(x, slope).add_(middle).clamp_(0, 1); });
}

Kernel make_leaky_relu(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [a = alpha(key, 0.01)](const at::Tensor& x) { return at::leaky_relu(x, a); });
}

Kernel make_relu_n(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target,
                [n = float_arg(key, "n", 6)](const at::Tensor& x) { return at::clamp(x, 0, n); });
}

Kernel make_scale(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [s = float_arg(key, "scale", 1)](const at::Tensor& x) { return at::mul(x, s); });
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
                [e = float_arg(key, "exponent", 1)](const at::Tensor& x) { return at::pow(x, e); });
}

using T = at::Tensor;

}  // namespace

std::span<const KernelEntry> fp32_elementwise_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Abs", follow_with<[](const T& x) { return at::abs(x); }>},
      {"Cube", follow_with<[](const T& x) { return at::pow(x, 3); }>},
      {"Exp", follow_with<[](const T& x) { return at::exp(x); }>},
      {"Gelu", follow_with<[](const T& x) { return at::gelu(x); }>},
      {"Log", follow_with<[](const T& x) { return at::log(x); }>},
      {"Negative", follow_with<[](const T& x) { return at::neg(x); }>},
      {"Relu", follow_with<[](const T& x) { return at::relu(x); }>},
      {"Relu6", follow_with<[](const T& x) { return at::clamp(x, 0, 6); }>},
      {"Rsqrt", follow_with<[](const T& x) { return at::rsqrt(x); }>},
      {"Selu", follow_with<[](const T& x) { return at::selu(x); }>},
      {"Sigmoid", follow_with<[](const T& x) { return at::sigmoid(x); }>},
      {"Softplus", follow_with<[](const T& x) { return at::softplus(x); }>},
      {"Softsign", follow_with<[](const T& x) { return at::div(x, at::abs(x).add_(1)); }>},
      {"Sqr", follow_with<[](const T& x) { return at::square(x); }>},
      {"Sqrt", follow_with<[](const T& x) { return at::sqrt(x); }>},
      {"Swish", follow_with<[](const T& x) { return at::silu(x); }>},
      {"Tanh", follow_with<[](const T& x) { return at::tanh(x); }>},
      {"Clip", make_clip},
      {"Elu", make_elu},
      {"HardSigmoid", make_hard_sigmoid},
      {"LeakyRelu", make_leaky_relu},
      {"PRelu", make_prelu},
      {"ReluN", make_relu_n},
      {"Scale", make_scale},
      {"ThresholdedRelu", make_thresholded_relu},
      {"Max", make_extreme<[](const T& a, const T& b) { return at::maximum(a, b); }>},
      {"Min", make_extreme<[](const T& a, const T& b) { return at::minimum(a, b); }>},
      {"Mean", make_sum<Then::kMean>},
      {"Sum", make_sum<Then::kNothing>},
      {"SumRelu", make_sum<Then::kRelu>},
      {"Add", make_binary<[](const T& a, const T& b) { return at::add(a, b); }>},
      {"Div", make_binary<[](const T& a, const T& b) { return at::div(a, b); }>},
      {"Mul", make_binary<[](const T& a, const T& b) { return at::mul(a, b); }>},
      {"Sub", make_binary<[](const T& a, const T& b) { return at::sub(a, b); }>},
      {"Pow", make_pow},
  };
  return kKernels;
}

}  // namespace latgrad::runner
