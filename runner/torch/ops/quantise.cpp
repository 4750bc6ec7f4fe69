// The same elements in another type.

#include "int8_scales.h"
#include "kernels.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

Kernel make_cast(const lut::OperatorKey& key, const Target& target) {
  const at::ScalarType dtype = torch_dtype(infer_alone(key).ops[0].outputs[0].dtype);
  return follow(key, target,
                [dtype](const T& x) { return x.to(dtype, /*non_blocking=*/false, /*copy=*/true); });
}

Kernel make_quantize(const lut::OperatorKey& key, const Target& target) {
  Kernel kernel = follow(key, target, [](const T& x) {
    return at::quantize_per_tensor(x, kActivationScale, kZeroPoint, at::kQUInt8);
  });
  kernel.activations[0].dtype = at::kFloat;
  return kernel;
}

}  // namespace

std::span<const KernelEntry> quantise_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Cast", make_cast},
      {"FloatToHalf", follow_with<[](const T& x) { return x.to(at::kHalf); }>},
      {"Int8Dequantize", follow_with<[](const T& x) { return x.dequantize(); }>},
      {"Int8Quantize", make_quantize},
  };
  return kKernels;
}

}  // namespace latgrad::runner
