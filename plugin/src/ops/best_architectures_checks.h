// The preconditions of best_architectures and the forms of its outputs, for every kernel.

#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "latgrad/search/exact_search.h"
#include "ops/table_checks.h"

namespace latgrad::ops {

struct BestArchitecturesSizes {
  std::vector<c10::SymInt> arch;   // [..., k, L]
  std::vector<c10::SymInt> score;  // [..., k]
  std::vector<c10::SymInt> cost;   // [..., k] or [..., k, D]
};

inline void check_numbers(const at::Tensor& tensor, const char* name, const at::Tensor& scores) {
  TORCH_CHECK(is_supported_float(tensor.scalar_type()) ||
                  c10::isIntegralType(tensor.scalar_type(), /*includeBool=*/false),
              name, " must be float16, bfloat16, float32, float64 or integers, got ", tensor.scalar_type());
  TORCH_CHECK(tensor.layout() == at::kStrided, name, " must be a dense tensor, got ", tensor.layout());
  TORCH_CHECK(tensor.device() == scores.device(), name, " and scores must be on the same device, got ",
              tensor.device(), " and ", scores.device());
}

// What budgets have in front of their last dimension, if that is the costs'. Symbolic where the tensors are.
inline std::vector<c10::SymInt> budget_batch(const at::Tensor& costs, const at::Tensor& budgets) {
  const auto sizes = budgets.sym_sizes();
  const bool has_costs = costs.dim() == 3 && budgets.dim() > 0;
  return {sizes.begin(), sizes.end() - (has_costs ? 1 : 0)};
}

// As PyTorch broadcasts; torch 1.13 has no function for symbolic sizes.
inline std::vector<c10::SymInt> broadcast(std::vector<c10::SymInt> scores, std::vector<c10::SymInt> budgets) {
  const size_t dims = std::max(scores.size(), budgets.size());
  scores.insert(scores.begin(), dims - scores.size(), 1);
  budgets.insert(budgets.begin(), dims - budgets.size(), 1);
  for (size_t dim = 0; dim < dims; ++dim) {
    if (budgets[dim] == 1) continue;
    TORCH_CHECK(scores[dim] == 1 || scores[dim] == budgets[dim],
                "the batches of scores and budgets must broadcast, got ", scores, " and ", budgets);
    scores[dim] = budgets[dim];
  }
  return scores;
}

inline void check_best_architectures(const at::Tensor& scores, const at::Tensor& costs,
                                     const at::Tensor& budgets, int64_t k,
                                     const Optional<at::Tensor>& valid) {
  check_numbers(scores, "scores", scores);
  check_numbers(costs, "costs", scores);
  check_numbers(budgets, "budgets", scores);
  TORCH_CHECK(costs.dim() == 2 || costs.dim() == 3,
              "costs must be [layers, candidates] or [costs, layers, candidates], got ", costs.sym_sizes());
  for (int64_t dim = 0; dim < costs.dim(); ++dim) {
    TORCH_CHECK(costs.sym_size(dim) != 0, "costs must have no empty dimension, got ", costs.sym_sizes());
  }
  TORCH_CHECK(scores.dim() >= 2 && scores.sym_size(-1) == costs.sym_size(-1) &&
                  scores.sym_size(-2) == costs.sym_size(-2),
              "scores must be [..., layers, candidates] as costs are, ", costs.sym_sizes(), ", got ",
              scores.sym_sizes());
  if (costs.dim() == 3) {
    const bool fits = budgets.dim() == 0 ? costs.sym_size(0) == 1 : budgets.sym_size(-1) == costs.sym_size(0);
    TORCH_CHECK(fits, "budgets must have one for each of the ", costs.sym_size(0),
                " costs in their last dimension, got ", budgets.sym_sizes());
  }
  TORCH_CHECK(k >= 1 && k <= static_cast<int64_t>(search::kMaxArchitectures), "k must be from 1 to ",
              search::kMaxArchitectures, ", got ", k);
  if (!valid) return;
  TORCH_CHECK(valid->scalar_type() == at::kBool && valid->dim() == 2 &&
                  valid->sym_size(0) == costs.sym_size(-2) && valid->sym_size(1) == costs.sym_size(-1),
              "valid must be bool [layers, candidates] as costs are, ", costs.sym_sizes(), ", got ",
              valid->scalar_type(), " ", valid->sym_sizes());
  TORCH_CHECK(valid->device() == scores.device(), "valid and scores must be on the same device, got ",
              valid->device(), " and ", scores.device());
}

// Errors: where the batches of scores and budgets do not broadcast.
inline BestArchitecturesSizes best_architectures_sizes(const at::Tensor& scores, const at::Tensor& costs,
                                                       const at::Tensor& budgets, int64_t k) {
  const auto sizes = scores.sym_sizes();
  const std::vector<c10::SymInt> of_scores(sizes.begin(), sizes.end() - 2);
  BestArchitecturesSizes result;
  result.score = broadcast(of_scores, budget_batch(costs, budgets));
  result.score.emplace_back(k);
  result.arch = result.score;
  result.arch.push_back(scores.sym_size(-2));
  result.cost = result.score;
  if (costs.dim() == 3) result.cost.push_back(costs.sym_size(0));
  return result;
}

}  // namespace latgrad::ops
