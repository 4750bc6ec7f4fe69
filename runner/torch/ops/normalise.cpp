// Normalisation and softmax, float and int8.

#include "boxed_operator.h"
#include "int8_scales.h"
#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

double epsilon(const lut::OperatorKey& key) { return arguments(key).number("epsilon", 1e-5); }

// An image or a matrix by the key's order.
Activation channels_activation(const lut::OperatorKey& key) {
  return input_shape(key, 0).size() == 2 ? activation(key, 0, false) : image_activation(key);
}

Kernel make_spatial_bn(const lut::OperatorKey& key, const Target& target) {
  const Activation image = channels_activation(key);
  const net::Shape channels = {channels_of(image)};
  const at::Tensor scale = to_device(random_positive(channels), target);
  const at::Tensor bias = to_device(random_tensor(channels, 0.1), target);
  const at::Tensor mean = to_device(random_tensor(channels, 0.1), target);
  const at::Tensor variance = to_device(random_positive(channels), target);
  return {.activations = {image},
          .run =
              [=, eps = epsilon(key)](const std::vector<at::Tensor>& x) {
                return at::batch_norm(x[0], scale, bias, mean, variance, /*training=*/false, /*momentum=*/0,
                                      eps,
                                      /*cudnn_enabled=*/true);
              },
          .channels_last = image.channels_last};
}

Kernel make_affine_channel(const lut::OperatorKey& key, const Target& target) {
  const Activation image = channels_activation(key);
  net::Shape channels(image.shape.size(), 1);
  channels[1] = channels_of(image);
  const at::Tensor scale = to_device(random_positive(channels), target);
  const at::Tensor bias = to_device(random_tensor(channels, 0.1), target);
  return {.activations = {image},
          .run = [=](const std::vector<at::Tensor>& x) { return at::mul(x[0], scale).add_(bias); },
          .channels_last = image.channels_last};
}

Kernel make_instance_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation image = image_activation(key);
  const at::Tensor scale = to_device(random_positive({channels_of(image)}), target);
  const at::Tensor bias = to_device(random_tensor({channels_of(image)}, 0.1), target);
  return {.activations = {image},
          .run =
              [=, eps = epsilon(key)](const std::vector<at::Tensor>& x) {
                return at::instance_norm(x[0], scale, bias, {}, {}, /*use_input_stats=*/true, /*momentum=*/0,
                                         eps,
                                         /*cudnn_enabled=*/true);
              },
          .channels_last = image.channels_last};
}

Kernel make_group_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation image = channels_activation(key);
  const at::Tensor scale = to_device(random_positive({channels_of(image)}), target);
  const at::Tensor bias = to_device(random_tensor({channels_of(image)}, 0.1), target);
  return {
      .activations = {image},
      .run = [=, eps = epsilon(key), group = arguments(key).integer("group", 32)](
                 const std::vector<at::Tensor>& x) { return at::group_norm(x[0], group, scale, bias, eps); },
      .channels_last = image.channels_last};
}

Kernel make_layer_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 1), input.shape.size(), false);
  const net::Shape normalised(input.shape.begin() + axis, input.shape.end());
  at::Tensor scale;
  at::Tensor bias;
  if (key.input_shapes.size() > 2) {
    scale = to_device(random_positive(normalised), target);
    bias = to_device(random_tensor(normalised, 0.1), target);
  }
  return {.activations = {input}, .run = [=, eps = epsilon(key)](const std::vector<at::Tensor>& x) {
            return std::get<0>(at::native_layer_norm(x[0], normalised, scale, bias, eps));
          }};
}

// ONNX's, whose scale and bias may broadcast.
Kernel make_onnx_layer_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", -1), input.shape.size(), false);
  const net::Shape normalised(input.shape.begin() + axis, input.shape.end());
  const T scale = to_device(random_positive(normalised), target);
  T bias;
  if (key.input_shapes.size() > 2) bias = to_device(random_tensor(normalised, 0.1), target);
  return {.activations = {input}, .run = [=, eps = epsilon(key)](const std::vector<T>& x) {
            return std::get<0>(at::native_layer_norm(x[0], normalised, scale, bias, eps));
          }};
}

Kernel make_onnx_rms_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation input = activation(key, 0, false);
  const auto rank = static_cast<int64_t>(input.shape.size());
  std::vector<int64_t> axes;
  for (int64_t dim = torch_axis(arguments(key).integer("axis", -1), input.shape.size(), false); dim < rank;
       ++dim) {
    axes.push_back(dim);
  }
  const T scale = to_device(random_positive(input_shape(key, 1)), target);
  return {
      .activations = {input}, .run = [=, eps = epsilon(key)](const std::vector<T>& x) {
        return at::mul(x[0], at::square(x[0]).mean(axes, /*keepdim=*/true).add_(eps).rsqrt_()).mul_(scale);
      }};
}

// The output is a matrix: only the dimensions differ from those that Caffe2 keeps.
template <auto function>
Kernel make_softmax(const lut::OperatorKey& key, const Target&) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, arguments(key).integer("axis", 1));
  return {.activations = {matrix}, .run = [](const std::vector<at::Tensor>& x) { return function(x[0], 1); }};
}

Kernel make_rms_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 1), input.shape.size(), false);
  const net::Shape normalised(input.shape.begin() + axis, input.shape.end());
  std::vector<int64_t> axes;
  for (size_t dim = static_cast<size_t>(axis); dim < input.shape.size(); ++dim) {
    axes.push_back(static_cast<int64_t>(dim));
  }
  const T scale = to_device(random_positive(normalised), target);
  const T bias = to_device(random_tensor(normalised, 0.1), target);
  return {.activations = {input}, .run = [=, eps = arguments(key).number("eps", 0)](const std::vector<T>& x) {
            const T rrms = at::square(x[0]).mean(axes, /*keepdim=*/true).add_(eps).rsqrt_();
            return at::mul(x[0], rrms).mul_(scale).add_(bias);
          }};
}

// Every element over a power of the mean square of its neighbours along the channels.
Kernel make_lrn(const lut::OperatorKey& key, const Target&) {
  const Activation image = image_activation(key);
  if (image.shape.size() != 4) {
    throw ValueError("an image must have 4 dimensions to be measured, got " + net::to_string(image.shape));
  }
  const int64_t size = arguments(key).integer("size", 0);
  if (size < 1) throw ValueError("size must be positive, got " + std::to_string(size));
  return {.activations = {image},
          .run =
              [=, alpha = arguments(key).number("alpha", 0), beta = arguments(key).number("beta", 0),
               bias = arguments(key).number("bias", 1)](const std::vector<T>& x) {
                const int64_t after = (size - 1) / 2;
                T squares =
                    at::constant_pad_nd(at::square(x[0]).unsqueeze(1), {0, 0, 0, 0, size - 1 - after, after});
                T scale = at::avg_pool3d(squares, {size, 1, 1}, {1, 1, 1}).squeeze(1);
                return at::mul(x[0], scale.mul_(alpha).add_(bias).pow_(-beta));
              },
          .channels_last = image.channels_last};
}

Kernel make_int8_softmax(const lut::OperatorKey& key, const Target&) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, arguments(key).integer("axis", 1));
  return {.activations = {matrix},
          .run = [softmax = BoxedOperator("quantized::softmax", "")](const std::vector<T>& x) {
            return softmax(x[0], int64_t{1}, kSoftmaxScale, kSoftmaxZeroPoint).toTensor();
          }};
}

Kernel make_int8_spatial_bn_kernel(const lut::OperatorKey& key, const char* name) {
  const Activation image = image_activation(key);
  const net::Shape channels = {channels_of(image)};
  const T scale = random_positive(channels);
  const T bias = random_tensor(channels, 0.1);
  const T mean = random_tensor(channels, 0.1);
  const T variance = random_positive(channels);
  return {.activations = {image},
          .run =
              [=, eps = arguments(key).number("epsilon", 1e-5),
               norm = BoxedOperator(name, "")](const std::vector<T>& x) {
                return norm(x[0], scale, bias, mean, variance, eps, kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_int8_spatial_bn(const lut::OperatorKey& key, const Target&) {
  return make_int8_spatial_bn_kernel(key, "quantized::batch_norm2d");
}
Kernel make_int8_spatial_bn_relu(const lut::OperatorKey& key, const Target&) {
  return make_int8_spatial_bn_kernel(key, "quantized::batch_norm2d_relu");
}

}  // namespace

std::span<const KernelEntry> normalise_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"AffineChannel", make_affine_channel},
      {"GroupNorm", make_group_norm},
      {"InstanceNorm", make_instance_norm},
      {"LRN", make_lrn},
      {"LayerNorm", make_layer_norm},
      {"LayerNormalization", make_onnx_layer_norm},
      {"LogSoftmax", make_softmax<[](const T& x, int64_t axis) { return at::log_softmax(x, axis); }>},
      {"RMSNorm", make_rms_norm},
      {"RMSNormalization", make_onnx_rms_norm},
      {"Softmax", make_softmax<[](const T& x, int64_t axis) { return at::softmax(x, axis); }>},
      {"SpatialBN", make_spatial_bn},
      {"Int8Softmax", make_int8_softmax},
      {"Int8SpatialBN", make_int8_spatial_bn},
      {"Int8SpatialBNRelu", make_int8_spatial_bn_relu},
  };
  return kKernels;
}

}  // namespace latgrad::runner
