#include "kernels.h"
#include "operator_args.h"

namespace latgrad::profile {
namespace {

at::Tensor make_image(const lut::Shape& shape, bool nhwc) {
  at::Tensor image = random_tensor(shape);
  return nhwc ? nhwc_to_torch(image) : image;
}

Kernel make_conv(const lut::OperatorKey& key) {
  SpatialArgs args = spatial_args(key);
  at::Tensor input = make_image(input_shape(key, 0), args.nhwc);
  at::Tensor weight = make_image(input_shape(key, 1), args.nhwc);
  at::Tensor bias;  // undefined: none
  if (key.input_shapes.size() > 2) bias = random_tensor(key.input_shapes[2]);
  return [=, pad = args.symmetric_pad()] {
    return at::conv2d(input, weight, bias, args.stride, pad, args.dilation, args.group);
  };
}

// Not in place, though networks run it in place: the write is the same, and an input that stays as it
// is keeps the repetitions alike.
Kernel make_relu(const lut::OperatorKey& key) {
  return [input = random_tensor(input_shape(key, 0))] { return at::relu(input); };
}

Kernel make_sum(const lut::OperatorKey& key) {
  at::Tensor first = random_tensor(input_shape(key, 0));
  at::Tensor second = random_tensor(input_shape(key, 1));
  std::vector<at::Tensor> others;
  for (size_t index = 2; index < key.input_shapes.size(); ++index) {
    others.push_back(random_tensor(key.input_shapes[index]));
  }
  return [=] {
    at::Tensor sum = at::add(first, second);
    for (const at::Tensor& other : others) sum.add_(other);
    return sum;
  };
}

Kernel make_channel_shuffle(const lut::OperatorKey& key) {
  SpatialArgs args = spatial_args(key);
  at::Tensor input = make_image(input_shape(key, 0), args.nhwc);
  return [=] { return at::channel_shuffle(input, args.group); };
}

Kernel make_average_pool(const lut::OperatorKey& key) {
  SpatialArgs args = spatial_args(key);
  at::Tensor input = make_image(input_shape(key, 0), args.nhwc);
  if (args.global_pooling) args.kernel = {input.size(2), input.size(3)};
  return [=, pad = args.symmetric_pad()] {
    return at::avg_pool2d(input, args.kernel, args.stride, pad, /*ceil_mode=*/false,
                          /*count_include_pad=*/false);
  };
}

Kernel make_fc(const lut::OperatorKey& key) {
  at::Tensor input = flatten_from(random_tensor(input_shape(key, 0)), int_arg(key, "axis", 1));
  at::Tensor weight = flatten_from(random_tensor(input_shape(key, 1)), int_arg(key, "axis_w", 1));
  at::Tensor bias = random_tensor(input_shape(key, 2));
  return [=] { return at::linear(input, weight, bias); };
}

Kernel make_softmax(const lut::OperatorKey& key) {
  at::Tensor input = flatten_from(random_tensor(input_shape(key, 0)), int_arg(key, "axis", 1));
  return [=] { return at::softmax(input, 1); };
}

Kernel make_nchw_to_nhwc(const lut::OperatorKey& key) {
  return [input = random_tensor(input_shape(key, 0))] { return input.permute({0, 2, 3, 1}).contiguous(); };
}

}  // namespace

const std::map<std::string_view, KernelFactory>& fp32_kernels() {
  static const std::map<std::string_view, KernelFactory> kernels = {
      {"AveragePool", make_average_pool},
      {"ChannelShuffle", make_channel_shuffle},
      {"Conv", make_conv},
      {"FC", make_fc},
      {"NCHW2NHWC", make_nchw_to_nhwc},
      {"Relu", make_relu},
      {"Softmax", make_softmax},
      {"Sum", make_sum},
  };
  return kernels;
}

}  // namespace latgrad::profile
