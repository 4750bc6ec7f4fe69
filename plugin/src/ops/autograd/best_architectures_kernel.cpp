#include "latgrad/plugin/operators.h"
#include "ops/autograd/node.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

// A choice has no gradient.
std::tuple<Tensor, Tensor, Tensor> best_architectures(const Tensor& scores, const Tensor& costs,
                                                      const Tensor& budgets, int64_t k,
                                                      const Optional<Tensor>& valid) {
  return below_autograd(
      [&] { return latgrad::best_architectures(scores, costs, budgets, k, valid.value_or(Tensor())); });
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) { m.impl("best_architectures", TORCH_FN(best_architectures)); }

}  // namespace latgrad::ops
