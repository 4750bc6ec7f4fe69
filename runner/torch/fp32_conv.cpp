// Convolutions and matrix products in float.

#include "kernels.h"

namespace latgrad::runner {
namespace {

enum class Then { kNothing, kRelu };

template <Then then>
Kernel make_conv(const lut::OperatorKey& key, const Target& target) {
  const Activation image = image_activation(key);
  const size_t spatial_rank = image.shape.size() - 2;
  const SpatialArgs args = spatial_args(key, spatial_rank);
  const at::Tensor weight = to_device(conv_weight(key, args.nhwc, /*transposed=*/false), target);
  const at::Tensor bias = to_device(optional_bias(key, 2), target);
  // Torch's convolutions pad both sides alike. Where a network does not, a copy of the image is padded, which
  // is part of the operator's time: it is what a network in LibTorch has to do.
  std::vector<int64_t> before;
  std::vector<int64_t> pad(spatial_rank, 0);
  if (args.is_symmetric()) {
    pad = args.symmetric_pad();
  } else {
    before = pad_list(args.pads);
  }
  const std::vector<int64_t> no_output_padding(spatial_rank, 0);
  return {.activations = {image},
          .run =
              [=](const std::vector<at::Tensor>& x) {
                at::Tensor y = at::convolution(before.empty() ? x[0] : at::constant_pad_nd(x[0], before, 0),
                                               weight, bias, args.stride, pad, args.dilation,
                                               /*transposed=*/false, no_output_padding, args.group);
                if (then == Then::kRelu) y.relu_();
                return y;
              },
          .channels_last = args.nhwc};
}

Kernel make_conv_transpose(const lut::OperatorKey& key, const Target& target) {
  const Activation image = image_activation(key);
  const size_t spatial_rank = image.shape.size() - 2;
  const SpatialArgs args = spatial_args(key, spatial_rank);
  const std::vector<int64_t> pad = args.symmetric_pad();
  const at::Tensor weight = to_device(conv_weight(key, args.nhwc, /*transposed=*/true), target);
  const at::Tensor bias = to_device(optional_bias(key, 2), target);
  return {.activations = {image},
          .run =
              [=](const std::vector<at::Tensor>& x) {
                return at::convolution(x[0], weight, bias, args.stride, pad, args.dilation,
                                       /*transposed=*/true, args.adj, args.group);
              },
          .channels_last = args.nhwc};
}

// `transposed`: the weight is [in, out] instead of [out, in].
template <bool transposed>
Kernel make_fc(const lut::OperatorKey& key, const Target& target) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, int_arg(key, "axis", 1));
  const net::Shape shape = flatten_from(input_shape(key, 1), int_arg(key, "axis_w", 1));
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
  a.shape = flatten_from(a.shape, int_arg(key, "axis_a", 1));
  b.shape = flatten_from(b.shape, int_arg(key, "axis_b", 1));
  const bool transpose_a = int_arg(key, "trans_a", 0) != 0;
  const bool transpose_b = int_arg(key, "trans_b", 0) != 0;
  return {.activations = {a, b}, .run = [=](const std::vector<at::Tensor>& x) {
            return at::mm(transpose_a ? x[0].t() : x[0], transpose_b ? x[1].t() : x[1]);
          }};
}

}  // namespace

std::span<const KernelEntry> fp32_conv_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Conv", make_conv<Then::kNothing>},
      {"Conv1D", make_conv<Then::kNothing>},
      {"Conv2D", make_conv<Then::kNothing>},
      {"Conv3D", make_conv<Then::kNothing>},
      {"ConvRelu", make_conv<Then::kRelu>},
      {"ConvTranspose", make_conv_transpose},
      {"FC", make_fc<false>},
      {"FCTransposed", make_fc<true>},
      {"MatMul", make_matmul},
  };
  return kKernels;
}

}  // namespace latgrad::runner
