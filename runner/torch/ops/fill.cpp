// Constants that a network carries in itself: made anew in each run, as Caffe2 does.

#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

Kernel make_fill(const lut::OperatorKey& key, const Target& target) {
  const net::NetShapes shapes = infer_alone(key);
  if (!shapes.ops[0].known) throw ValueError("a fill of a shape from a tensor is not measured");
  const net::TensorInfo& output = shapes.ops[0].outputs[0];
  const auto options = at::TensorOptions().dtype(torch_dtype(output.dtype)).device(target.device);
  return {
      .run = [shape = output.shape, options](const std::vector<T>&) { return at::full(shape, 1, options); }};
}

}  // namespace

std::span<const KernelEntry> fill_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"ConstantFill", make_fill},         {"GivenTensorBoolFill", make_fill}, {"GivenTensorFill", make_fill},
      {"GivenTensorInt64Fill", make_fill}, {"GivenTensorIntFill", make_fill},
  };
  return kKernels;
}

}  // namespace latgrad::runner
