// Convolutions and transposed convolutions, float and int8.

#include <string>

#include "boxed_operator.h"
#include "int8_scales.h"
#include "int8_weights.h"
#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

enum class Then { kNothing, kRelu };

int64_t group_of(const lut::OperatorKey& key) {
  const int64_t group = arguments(key).integer("group", 1);
  if (group < 1) throw ValueError("group must be positive, got " + std::to_string(group));
  return group;
}

template <Then then>
Kernel make_conv(const lut::OperatorKey& key, const Target& target) {
  const ImageWindow window = image_window(key);
  const bool nhwc = is_nhwc(key);
  const T weight = to_device(conv_weight(key, nhwc, /*transposed=*/false), target);
  const T bias = to_device(optional_bias(key, 2), target);
  const Padding padding = padding_of(window);
  const std::vector<int64_t> no_output_padding(window.stride.size(), 0);
  return {.activations = {window.image},
          .run =
              [=, stride = window.stride, dilation = window.dilation,
               group = group_of(key)](const std::vector<T>& x) {
                T y = at::convolution(
                    padding.before.empty() ? x[0] : at::constant_pad_nd(x[0], padding.before, 0), weight,
                    bias, stride, padding.both_sides, dilation, /*transposed=*/false, no_output_padding,
                    group);
                if (then == Then::kRelu) y.relu_();
                return y;
              },
          .channels_last = nhwc};
}

Kernel make_conv_transpose(const lut::OperatorKey& key, const Target& target) {
  const Activation image = image_activation(key);
  const net::SpatialArguments args = net::spatial_arguments(arguments(key), image.shape.size() - 2);
  const bool nhwc = is_nhwc(key);
  const T weight = to_device(conv_weight(key, nhwc, /*transposed=*/true), target);
  const T bias = to_device(optional_bias(key, 2), target);
  return {.activations = {image},
          .run =
              [=, pad = symmetric(args.pads), group = group_of(key)](const std::vector<T>& x) {
                return at::convolution(x[0], weight, bias, args.stride, pad, args.dilation,
                                       /*transposed=*/true, args.adj, group);
              },
          .channels_last = nhwc};
}

c10::List<int64_t> list(const std::vector<int64_t>& values) { return c10::List<int64_t>(values); }

struct PackedConv {
  Activation image;
  std::vector<int64_t> before;  // pads of a copy of the image, where both sides differ
  c10::IValue packed;
};

PackedConv pack_conv(const lut::OperatorKey& key) {
  const ImageWindow window = image_window(key);
  if (window.image.shape.size() != 4) {
    throw ValueError("an int8 convolution must have 4 dimensions to be measured, got " +
                     net::to_string(window.image.shape));
  }
  const Padding padding = padding_of(window);
  const T weight = quantize_weight(conv_weight(key, is_nhwc(key), /*transposed=*/false));
  return {.image = window.image,
          .before = padding.before,
          .packed = BoxedOperator("quantized::conv2d_prepack", "")(
              weight, bias_value(key), list(window.stride), list(padding.both_sides), list(window.dilation),
              group_of(key))};
}

Kernel make_int8_conv_kernel(const lut::OperatorKey& key, const char* name) {
  auto [image, before, packed] = pack_conv(key);
  return {.activations = {image},
          .run =
              [before = before, packed = packed, conv = BoxedOperator(name, "new")](const std::vector<T>& x) {
                return conv(before.empty() ? x[0] : at::constant_pad_nd(x[0], before, 0), packed,
                            kActivationScale, kZeroPoint)
                    .toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_int8_conv(const lut::OperatorKey& key, const Target&) {
  return make_int8_conv_kernel(key, "quantized::conv2d");
}
Kernel make_int8_conv_relu(const lut::OperatorKey& key, const Target&) {
  return make_int8_conv_kernel(key, "quantized::conv2d_relu");
}

// A convolution and a sum: torch fuses them in one engine alone. The summand is the last input.
Kernel make_int8_conv_sum_kernel(const lut::OperatorKey& key, const char* add_name) {
  input_shape(key, 3);
  auto [image, before, packed] = pack_conv(key);
  const Activation summand = activation(key, key.input_shapes.size() - 1, image.channels_last);
  return {.activations = {image, summand},
          .run =
              [before = before, packed = packed, conv = BoxedOperator("quantized::conv2d", "new"),
               add = BoxedOperator(add_name, "")](const std::vector<T>& x) {
                c10::IValue y = conv(before.empty() ? x[0] : at::constant_pad_nd(x[0], before, 0), packed,
                                     kActivationScale, kZeroPoint);
                return add(std::move(y), x[1], kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

Kernel make_int8_conv_sum(const lut::OperatorKey& key, const Target&) {
  return make_int8_conv_sum_kernel(key, "quantized::add");
}
Kernel make_int8_conv_sum_relu(const lut::OperatorKey& key, const Target&) {
  return make_int8_conv_sum_kernel(key, "quantized::add_relu");
}

Kernel make_int8_conv_transpose(const lut::OperatorKey& key, const Target&) {
  const Activation image = image_activation(key);
  const net::SpatialArguments args = net::spatial_arguments(arguments(key), image.shape.size() - 2);
  const T weight = quantize_weight(conv_weight(key, is_nhwc(key), /*transposed=*/true));
  c10::IValue packed = BoxedOperator("quantized::conv_transpose2d_prepack", "")(
      weight, bias_value(key), list(args.stride), list(symmetric(args.pads)), list(args.adj),
      list(args.dilation), group_of(key));
  return {.activations = {image},
          .run =
              [packed, conv = BoxedOperator("quantized::conv_transpose2d", "")](const std::vector<T>& x) {
                return conv(x[0], packed, kActivationScale, kZeroPoint).toTensor();
              },
          .channels_last = image.channels_last};
}

}  // namespace

std::span<const KernelEntry> conv_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Conv", make_conv<Then::kNothing>},
      {"Conv1D", make_conv<Then::kNothing>},
      {"Conv2D", make_conv<Then::kNothing>},
      {"Conv3D", make_conv<Then::kNothing>},
      {"ConvRelu", make_conv<Then::kRelu>},
      {"ConvTranspose", make_conv_transpose},
      {"Int8Conv", make_int8_conv},
      {"Int8ConvRelu", make_int8_conv_relu},
      {"Int8ConvSum", make_int8_conv_sum},
      {"Int8ConvSumRelu", make_int8_conv_sum_relu},
      {"Int8ConvTranspose", make_int8_conv_transpose},
  };
  return kKernels;
}

}  // namespace latgrad::runner
