#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "classes/error_translation.h"
#include "ops/best_architectures_checks.h"
#include "ops/cpu/parallel.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

std::span<const double> values(const Tensor& tensor) {
  return {tensor.data_ptr<double>(), static_cast<size_t>(tensor.numel())};
}

// [...] + tail, as float64, in the form of the batch.
Tensor expanded(const Tensor& tensor, at::IntArrayRef batch, at::IntArrayRef tail) {
  std::vector<int64_t> sizes(batch.begin(), batch.end());
  sizes.insert(sizes.end(), tail.begin(), tail.end());
  return tensor.to(at::kDouble).expand(sizes).contiguous();
}

std::tuple<Tensor, Tensor, Tensor> best_architectures(const Tensor& scores, const Tensor& costs,
                                                      const Tensor& budgets, int64_t k,
                                                      const Optional<Tensor>& valid) {
  check_best_architectures(scores, costs, budgets, k, valid);
  const BestArchitecturesSizes sizes = best_architectures_sizes(scores, costs, budgets, k);
  const int64_t layers = scores.size(-2);
  const int64_t candidates = scores.size(-1);
  const int64_t num_costs = costs.dim() == 3 ? costs.size(0) : 1;
  const auto concrete = [](const std::vector<c10::SymInt>& symbolic) {
    std::vector<int64_t> plain;
    for (const c10::SymInt& size : symbolic) plain.push_back(size.expect_int());
    return plain;
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Tensor arch = at::full(concrete(sizes.arch), -1, at::kLong);
  Tensor score = at::full(concrete(sizes.score), -kInfinity, at::kDouble);
  Tensor cost = at::full(concrete(sizes.cost), kInfinity, at::kDouble);

  const std::vector<int64_t> with_k = concrete(sizes.score);
  const at::IntArrayRef batch = at::IntArrayRef(with_k).slice(0, with_k.size() - 1);
  const Tensor all_scores = expanded(scores, batch, {layers, candidates});
  // Budgets without a dimension for their one cost get it.
  const bool has_costs = costs.dim() == 3 && budgets.dim() > 0;
  const Tensor all_budgets = expanded(has_costs ? budgets : budgets.unsqueeze(-1), batch, {num_costs});
  const Tensor all_costs = costs.to(at::kDouble).contiguous();
  const Tensor mask = valid ? valid->to(at::kByte).contiguous() : Tensor();
  search::SearchProblem shared{.num_layers = static_cast<size_t>(layers),
                               .num_candidates = static_cast<size_t>(candidates),
                               .num_costs = static_cast<size_t>(num_costs),
                               .scores = {},
                               .costs = values(all_costs),
                               .budgets = {}};
  if (valid) shared.valid = {mask.data_ptr<uint8_t>(), static_cast<size_t>(mask.numel())};

  int64_t* arch_out = arch.data_ptr<int64_t>();
  double* score_out = score.data_ptr<double>();
  double* cost_out = cost.data_ptr<double>();
  const int64_t problems = score.numel() / k;
  translate_errors([&] {
    for_each_chunk(problems, 1, [&](int64_t begin, int64_t) {
      search::SearchProblem problem = shared;
      problem.scores = values(all_scores)
                           .subspan(static_cast<size_t>(begin * layers * candidates),
                                    static_cast<size_t>(layers * candidates));
      problem.budgets =
          values(all_budgets).subspan(static_cast<size_t>(begin * num_costs), static_cast<size_t>(num_costs));
      const search::ExactSearch found =
          search::best_architectures(problem, {.count = static_cast<size_t>(k)});
      for (size_t i = 0; i < found.best.size(); ++i) {
        const int64_t place = begin * k + static_cast<int64_t>(i);
        std::ranges::copy(found.best[i].arch, arch_out + place * layers);
        score_out[place] = found.best[i].score;
        std::ranges::copy(found.best[i].costs, cost_out + place * num_costs);
      }
    });
  });
  return {arch, score, cost};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) { m.impl("best_architectures", TORCH_FN(best_architectures)); }

}  // namespace latgrad::ops
