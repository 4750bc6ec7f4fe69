#include <torch/library.h>

#include <tuple>

#include "ops/best_architectures_checks.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

std::tuple<Tensor, Tensor, Tensor> best_architectures(const Tensor& scores, const Tensor& costs,
                                                      const Tensor& budgets, int64_t k,
                                                      const Optional<Tensor>& valid) {
  check_best_architectures(scores, costs, budgets, k, valid);
  const BestArchitecturesSizes sizes = best_architectures_sizes(scores, costs, budgets, k);
  const at::TensorOptions doubles = scores.options().dtype(at::kDouble);
  return {scores.new_empty_symint(sizes.arch, scores.options().dtype(at::kLong)),
          scores.new_empty_symint(sizes.score, doubles), scores.new_empty_symint(sizes.cost, doubles)};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) { m.impl("best_architectures", TORCH_FN(best_architectures)); }

}  // namespace latgrad::ops
