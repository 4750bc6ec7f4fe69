#include "pareto_front.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <limits>

#include "classes/error_translation.h"
#include "ops/best_architectures_checks.h"

namespace latgrad {

using at::Tensor;

std::tuple<Tensor, Tensor, Tensor> pareto_front(const Tensor& scores, const Tensor& costs,
                                                const Optional<Tensor>& valid) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  ops::check_best_architectures(scores, costs, at::full({}, kInfinity, scores.options()), 1, valid);
  TORCH_CHECK(scores.dim() == 2 && costs.dim() == 2,
              "scores and costs of a front must be [layers, candidates], got ", scores.sizes(), " and ",
              costs.sizes());
  TORCH_CHECK(scores.is_cpu(), "scores must be on the CPU, got ", scores.device());
  const Tensor all_scores = scores.to(at::kDouble).contiguous();
  const Tensor all_costs = costs.to(at::kDouble).contiguous();
  const Tensor mask = valid ? valid->to(at::kByte).contiguous() : Tensor();
  const auto cells = static_cast<size_t>(all_scores.numel());
  const std::array budgets = {kInfinity};
  search::SearchProblem problem{.num_layers = static_cast<size_t>(scores.size(0)),
                                .num_candidates = static_cast<size_t>(scores.size(1)),
                                .scores = {all_scores.data_ptr<double>(), cells},
                                .costs = {all_costs.data_ptr<double>(), cells},
                                .budgets = budgets};
  if (valid) problem.valid = {mask.data_ptr<uint8_t>(), cells};
  const auto front = translate_errors([&] { return search::pareto_front(problem); });
  TORCH_CHECK(front, "the front must have fewer than ", search::kMaxLabels,
              " partial architectures; ask for single budgets with best_architectures");
  const auto size = static_cast<int64_t>(front->size());
  Tensor arch = at::empty({size, scores.size(0)}, at::kLong);
  Tensor score = at::empty({size}, at::kDouble);
  Tensor cost = at::empty({size}, at::kDouble);
  for (int64_t i = 0; i < size; ++i) {
    const search::ScoredArchitecture& one = (*front)[static_cast<size_t>(i)];
    std::ranges::copy(one.arch, arch.data_ptr<int64_t>() + i * scores.size(0));
    score.data_ptr<double>()[i] = one.score;
    cost.data_ptr<double>()[i] = one.costs[0];
  }
  return {arch, score, cost};
}

}  // namespace latgrad
