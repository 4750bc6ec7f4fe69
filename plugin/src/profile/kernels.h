// From an operator key to the LibTorch kernel that computes it; one file per precision.
// Inputs are random, and are made by the factory: a call only runs the operator.

#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string_view>

#include "latgrad/lut/operator_key.h"

namespace latgrad::profile {

// Runs the operator once; an image comes out as torch holds it, [n, c, h, w].
using Kernel = std::function<at::Tensor()>;

// Errors: latgrad::ValueError or c10::Error for a key that the kernel cannot run.
using KernelFactory = Kernel (*)(const lut::OperatorKey& key);

// By operator type.
const std::map<std::string_view, KernelFactory>& fp32_kernels();
const std::map<std::string_view, KernelFactory>& int8_kernels();

// The shape of input `index`. Errors: ValueError when the operator has fewer inputs.
const lut::Shape& input_shape(const lut::OperatorKey& key, size_t index);

// Uniform in [-1, 1): no denormals, which would cost extra.
at::Tensor random_tensor(const lut::Shape& shape);

// [n, h, w, c] in memory as the [n, c, h, w] tensor that torch calls channels-last; another rank is an error.
at::Tensor nhwc_to_torch(const at::Tensor& nhwc);

// Flattens to two dimensions from `axis` on, as FC and Softmax of Caffe2 do.
at::Tensor flatten_from(const at::Tensor& tensor, int64_t axis);

}  // namespace latgrad::profile
