// Convolutions and matrix products in int8. Weights are signed and packed for torch's quantised engine when
// the kernel is made; QNNPACK shifts them to unsigned by itself.

#include <string>

#include "boxed_operator.h"
#include "int8_scales.h"
#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

// The whole range of int8 for values below the bound. FBGEMM and oneDNN may saturate with it on CPUs without
// VNNI; that changes values, not times.
at::Tensor quantize_weight(const at::Tensor& values) {
  const double bound = values.abs().max().item<double>();
  return at::quantize_per_tensor(values, bound / 127, 0, at::kQInt8);
}

// None where the operator has no bias.
c10::IValue bias_value(const lut::OperatorKey& key) {
  at::Tensor bias = optional_bias(key, 2);
  return bias.defined() ? c10::IValue(bias) : c10::IValue();
}

c10::List<int64_t> list(const std::vector<int64_t>& values) { return c10::List<int64_t>(values); }

struct PackedConv {
  Activation image;
  c10::IValue packed;
};

PackedConv pack_conv(const lut::OperatorKey& key) {
  const Activation image = image_activation(key);
  if (image.shape.size() != 4) {
    throw ValueError("an int8 convolution must have 4 dimensions to be measured, got " +
                     net::to_string(image.shape));
  }
  const SpatialArgs args = spatial_args(key);
  const std::vector<int64_t> pad = args.symmetric_pad();
  const at::Tensor weight = quantize_weight(conv_weight(key, args.nhwc, /*transposed=*/false));
  return {.image = image,
          .packed = BoxedOperator("quantized::conv2d_prepack", "")(
              weight, bias_value(key), list(args.stride), list(pad), list(args.dilation), args.group)};
}

Kernel make_conv_kernel(const lut::OperatorKey& key, const char* name) {
  auto [image, packed] = pack_conv(key);
  return {.activations = {image},
          .run =
              [packed = packed, conv = BoxedOperator(name, "new")](const std::vector<at::Tensor>& x) {
                return conv(x[0], packed, kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_conv(const lut::OperatorKey& key, const Target&) {
  return make_conv_kernel(key, "quantized::conv2d");
}
Kernel make_conv_relu(const lut::OperatorKey& key, const Target&) {
  return make_conv_kernel(key, "quantized::conv2d_relu");
}

// A convolution and a sum: torch fuses them in one engine alone. The summand is the last input.
Kernel make_conv_sum_kernel(const lut::OperatorKey& key, const char* add_name) {
  input_shape(key, 3);
  auto [image, packed] = pack_conv(key);
  const Activation summand = activation(key, key.input_shapes.size() - 1, image.channels_last);
  return {.activations = {image, summand},
          .run =
              [packed = packed, conv = BoxedOperator("quantized::conv2d", "new"),
               add = BoxedOperator(add_name, "")](const std::vector<at::Tensor>& x) {
                c10::IValue y = conv(x[0], packed, kActivationScale, kZeroPoint);
                return add(std::move(y), x[1], kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_conv_sum(const lut::OperatorKey& key, const Target&) {
  return make_conv_sum_kernel(key, "quantized::add");
}
Kernel make_conv_sum_relu(const lut::OperatorKey& key, const Target&) {
  return make_conv_sum_kernel(key, "quantized::add_relu");
}

Kernel make_conv_transpose(const lut::OperatorKey& key, const Target&) {
  const Activation image = image_activation(key);
  const SpatialArgs args = spatial_args(key);
  const std::vector<int64_t> pad = args.symmetric_pad();
  const at::Tensor weight = quantize_weight(conv_weight(key, args.nhwc, /*transposed=*/true));
  c10::IValue packed = BoxedOperator("quantized::conv_transpose2d_prepack", "")(
      weight, bias_value(key), list(args.stride), list(pad), list(args.adj), list(args.dilation), args.group);
  return {.activations = {image},
          .run =
              [packed,
               conv = BoxedOperator("quantized::conv_transpose2d", "")](const std::vector<at::Tensor>& x) {
                return conv(x[0], packed, kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_fc_kernel(const lut::OperatorKey& key, const char* name) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, int_arg(key, "axis", 1));
  const net::Shape shape = flatten_from(input_shape(key, 1), int_arg(key, "axis_w", 1));
  const at::Tensor weight = quantize_weight(random_tensor(shape, weight_bound(shape[1])));
  c10::IValue packed = BoxedOperator("quantized::linear_prepack", "")(weight, bias_value(key));
  return {.activations = {matrix},
          .run = [packed, linear = BoxedOperator(name, "")](const std::vector<at::Tensor>& x) {
            return linear(x[0], packed, kActivationScale, kZeroPoint).toTensor();
          }};
}

Kernel make_fc(const lut::OperatorKey& key, const Target&) {
  return make_fc_kernel(key, "quantized::linear");
}
Kernel make_fc_relu(const lut::OperatorKey& key, const Target&) {
  return make_fc_kernel(key, "quantized::linear_relu");
}

}  // namespace

std::span<const KernelEntry> int8_conv_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Int8Conv", make_conv},
      {"Int8ConvRelu", make_conv_relu},
      {"Int8ConvSum", make_conv_sum},
      {"Int8ConvSumRelu", make_conv_sum_relu},
      {"Int8ConvTranspose", make_conv_transpose},
      {"Int8FC", make_fc},
      {"Int8FCRelu", make_fc_relu},
  };
  return kKernels;
}

}  // namespace latgrad::runner
