#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "latgrad/plugin/operators.h"
#include "ops/composite/arch_latency.h"

namespace latgrad::ops {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class ArchLatency : public torch::autograd::Function<ArchLatency> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& arch, const Tensor& table_us) {
    context->save_for_backward({arch});
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    Tensor latency_us = latgrad::arch_latency(arch, table_us);
    // Only now: the operator has checked that the table has such a dimension.
    context->saved_data["candidates"] = table_us.sym_size(-1);
    return latency_us;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto saved = context->get_saved_variables();
    return {Tensor(),
            composite::arch_grad_table(grads[0], saved[0], context->saved_data["candidates"].toSymInt())};
  }
};

Tensor arch_latency(const Tensor& arch, const Tensor& table_us) { return ArchLatency::apply(arch, table_us); }

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) { m.impl("arch_latency", TORCH_FN(arch_latency)); }

}  // namespace latgrad::ops
