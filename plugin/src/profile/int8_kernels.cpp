#include <ATen/core/dispatch/Dispatcher.h>

#include "kernels.h"
#include "operator_args.h"

namespace latgrad::profile {
namespace {

// Any scale does: the time of an integer kernel does not depend on it. These keep every
// requantisation factor in the range that QNNPACK accepts.
constexpr double kActivationScale = 0.02;
constexpr double kWeightScale = 0.01;
constexpr double kOutputScale = 0.05;
constexpr int64_t kZeroPoint = 128;

// QNNPACK's softmax knows only this output.
constexpr double kSoftmaxScale = 1.0 / 256;
constexpr int64_t kSoftmaxZeroPoint = 0;

at::Tensor make_activation(const lut::Shape& shape) {
  return at::quantize_per_tensor(random_tensor(shape), kActivationScale, kZeroPoint, at::kQUInt8);
}

at::Tensor make_image(const lut::Shape& shape) { return nhwc_to_torch(make_activation(shape)); }

// QNNPACK takes signed weights; it shifts them to unsigned when it packs them.
at::Tensor make_weight(const at::Tensor& values) {
  return at::quantize_per_tensor(values, kWeightScale, 0, at::kQInt8);
}

// None where the operator has no bias.
c10::IValue make_bias(const lut::OperatorKey& key) {
  if (key.input_shapes.size() < 3) return {};
  return random_tensor(key.input_shapes[2]);
}

// An operator that has no C++ function of its own, called as the TorchScript interpreter calls it.
class BoxedOperator {
 public:
  BoxedOperator(const char* name, const char* overload)
      : handle_(c10::Dispatcher::singleton().findSchemaOrThrow(name, overload)) {}

  c10::IValue operator()(std::vector<c10::IValue> arguments) const {
    handle_.callBoxed(&arguments);
    return std::move(arguments.front());
  }

 private:
  c10::OperatorHandle handle_;
};

Kernel make_conv_kernel(const lut::OperatorKey& key, const char* name) {
  SpatialArgs args = spatial_args(key);
  std::array<int64_t, 2> pad = args.symmetric_pad();
  at::Tensor input = make_image(input_shape(key, 0));
  at::Tensor weight = make_weight(nhwc_to_torch(random_tensor(input_shape(key, 1))));
  c10::IValue packed = BoxedOperator("quantized::conv2d_prepack", "")(
      {weight, make_bias(key), c10::List<int64_t>({args.stride[0], args.stride[1]}),
       c10::List<int64_t>({pad[0], pad[1]}), c10::List<int64_t>({args.dilation[0], args.dilation[1]}),
       args.group});
  return [=, conv = BoxedOperator(name, "new")] {
    return conv({input, packed, kOutputScale, kZeroPoint}).toTensor();
  };
}

Kernel make_conv(const lut::OperatorKey& key) { return make_conv_kernel(key, "quantized::conv2d"); }
Kernel make_conv_relu(const lut::OperatorKey& key) { return make_conv_kernel(key, "quantized::conv2d_relu"); }

Kernel make_sum(const lut::OperatorKey& key) {
  at::Tensor first = make_activation(input_shape(key, 0));
  at::Tensor second = make_activation(input_shape(key, 1));
  std::vector<at::Tensor> others;
  for (size_t index = 2; index < key.input_shapes.size(); ++index) {
    others.push_back(make_activation(key.input_shapes[index]));
  }
  return [=, add = BoxedOperator("quantized::add", "")] {
    c10::IValue sum = add({first, second, kOutputScale, kZeroPoint});
    for (const at::Tensor& other : others) sum = add({sum, other, kOutputScale, kZeroPoint});
    return sum.toTensor();
  };
}

Kernel make_channel_shuffle(const lut::OperatorKey& key) {
  at::Tensor input = make_image(input_shape(key, 0));
  return [=, group = int_arg(key, "group", 1)] { return at::channel_shuffle(input, group); };
}

Kernel make_average_pool(const lut::OperatorKey& key) {
  SpatialArgs args = spatial_args(key);
  at::Tensor input = make_image(input_shape(key, 0));
  if (args.global_pooling) args.kernel = {input.size(2), input.size(3)};
  return [=, pad = args.symmetric_pad()] {
    return at::avg_pool2d(input, args.kernel, args.stride, pad, /*ceil_mode=*/false,
                          /*count_include_pad=*/false);
  };
}

Kernel make_fc(const lut::OperatorKey& key) {
  at::Tensor input = flatten_from(make_activation(input_shape(key, 0)), int_arg(key, "axis", 1));
  at::Tensor weight =
      make_weight(flatten_from(random_tensor(input_shape(key, 1)), int_arg(key, "axis_w", 1)));
  c10::IValue packed = BoxedOperator("quantized::linear_prepack", "")({weight, make_bias(key)});
  return [=, linear = BoxedOperator("quantized::linear", "")] {
    return linear({input, packed, kOutputScale, kZeroPoint}).toTensor();
  };
}

Kernel make_softmax(const lut::OperatorKey& key) {
  at::Tensor input = flatten_from(make_activation(input_shape(key, 0)), int_arg(key, "axis", 1));
  return [=, softmax = BoxedOperator("quantized::softmax", "")] {
    return softmax({input, int64_t{1}, kSoftmaxScale, kSoftmaxZeroPoint}).toTensor();
  };
}

Kernel make_quantize(const lut::OperatorKey& key) {
  return [input = random_tensor(input_shape(key, 0))] {
    return at::quantize_per_tensor(input, kActivationScale, kZeroPoint, at::kQUInt8);
  };
}

Kernel make_dequantize(const lut::OperatorKey& key) {
  return [input = make_activation(input_shape(key, 0))] { return input.dequantize(); };
}

}  // namespace

const std::map<std::string_view, KernelFactory>& int8_kernels() {
  static const std::map<std::string_view, KernelFactory> kernels = {
      {"Int8AveragePool", make_average_pool},
      {"Int8ChannelShuffle", make_channel_shuffle},
      {"Int8Conv", make_conv},
      {"Int8ConvRelu", make_conv_relu},
      {"Int8Dequantize", make_dequantize},
      {"Int8FC", make_fc},
      {"Int8Quantize", make_quantize},
      {"Int8Softmax", make_softmax},
      {"Int8Sum", make_sum},
  };
  return kernels;
}

}  // namespace latgrad::profile
