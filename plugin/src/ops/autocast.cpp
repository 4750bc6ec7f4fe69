// Under autocast latencies are computed in float32: in float16 one of 70,000 us is infinite, and bfloat16
// rounds to 0.4 %. Half precision arguments become float32; everything else stays as it is.

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

namespace latgrad::ops {
namespace {

void in_float32(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const size_t arguments = op.schema().arguments().size();
  for (size_t i = 0; i < arguments; ++i) {
    c10::IValue& argument = torch::jit::peek(*stack, i, arguments);
    if (!argument.isTensor() || !argument.toTensor().defined()) continue;
    const auto dtype = argument.toTensor().scalar_type();
    if (dtype == at::kHalf || dtype == at::kBFloat16) argument = argument.toTensor().to(at::kFloat);
  }
  op.callBoxed(stack);
}

// gumbel_latency arrives here as its sample.
void register_operators(torch::Library& m) {
  for (const char* name : {"arch_latency",
                           "chain_arch_latency",
                           "chain_latency",
                           "expected_latency",
                           "fbnet_loss",
                           "fbnet_loss.Tensor",
                           "fleet_max",
                           "fleet_smooth_max",
                           "fleet_smooth_max.Tensor",
                           "fleet_sum",
                           "gumbel_latency_sample.Tensor",
                           "hinge_penalty",
                           "hinge_penalty.Tensor",
                           "log_latency",
                           "proxylessnas_log_loss",
                           "proxylessnas_log_loss.Tensor",
                           "proxylessnas_loss",
                           "proxylessnas_loss.Tensor",
                           "softmax_latency",
                           "tunas_penalty",
                           "tunas_penalty.Tensor"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&in_float32>());
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, AutocastCPU, m) { register_operators(m); }
TORCH_LIBRARY_IMPL(latgrad, AutocastCUDA, m) { register_operators(m); }

}  // namespace latgrad::ops
