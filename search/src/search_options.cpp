#include "search_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "latgrad/base/error.h"

namespace latgrad::search::internal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check_sizes(const SearchProblem& problem) {
  const auto check = [](const char* what, size_t expected, size_t got) {
    if (got != expected) throw ValueError(fmt::format("{} must have {} values, got {}", what, expected, got));
  };
  if (problem.num_layers == 0) throw ValueError("a search must have at least one layer, got none");
  if (problem.num_layers > kMaxLayers) {
    throw ValueError(
        fmt::format("a search must have at most {} layers, got {}", kMaxLayers, problem.num_layers));
  }
  const size_t cells = problem.num_layers * problem.num_candidates;
  check("scores", cells, problem.scores.size());
  check("costs", problem.num_costs * cells, problem.costs.size());
  check("budgets", problem.num_costs, problem.budgets.size());
  if (!problem.valid.empty()) check("valid", cells, problem.valid.size());
}

[[noreturn]] void fail(const char* rule, size_t layer, size_t candidate, double got) {
  throw ValueError(
      fmt::format("{}, got {} for candidate {} of layer {} (counted from 0)", rule, got, candidate, layer));
}

// Sums of any architecture stay within the range of doubles if this does.
void check_range(const char* what, double largest_sum) {
  if (!std::isfinite(largest_sum)) {
    throw ValueError(fmt::format("sums of {} must be within the range of doubles", what));
  }
}

}  // namespace

Offered offered_options(const SearchProblem& problem) {
  check_sizes(problem);
  Offered offered;
  std::vector<size_t> limited;
  for (size_t d = 0; d < problem.num_costs; ++d) {
    const double budget = problem.budgets[d];
    if (std::isnan(budget)) throw ValueError("budgets must be numbers, got NaN");
    if (budget == -kInfinity) offered.is_impossible = true;
    if (!std::isfinite(budget)) continue;
    limited.push_back(d);
    offered.budgets.push_back(budget);
  }
  const size_t cells = problem.num_layers * problem.num_candidates;
  offered.costs.reserve(cells * limited.size());  // options point into it
  double score_sum = 0;
  std::vector<double> cost_sums(problem.num_costs);
  for (size_t layer = 0; layer < problem.num_layers; ++layer) {
    std::vector<Option>& options = offered.layers.emplace_back();
    double largest_score = 0;
    std::vector<double> largest_costs(problem.num_costs);
    for (size_t candidate = 0; candidate < problem.num_candidates; ++candidate) {
      const size_t cell = layer * problem.num_candidates + candidate;
      if (!problem.valid.empty() && problem.valid[cell] == 0) continue;
      const double score = problem.scores[cell];
      if (std::isnan(score) || score == kInfinity) {
        fail("scores must be numbers below infinity", layer, candidate, score);
      }
      bool is_offered = score != -kInfinity;
      for (size_t d = 0; d < problem.num_costs; ++d) {
        const double cost = problem.costs[d * cells + cell];
        if (std::isnan(cost) || cost == -kInfinity) {
          fail("costs must be numbers above minus infinity", layer, candidate, cost);
        }
        is_offered = is_offered && cost != kInfinity;
      }
      if (!is_offered) continue;
      largest_score = std::max(largest_score, std::abs(score));
      for (size_t d = 0; d < problem.num_costs; ++d) {
        largest_costs[d] = std::max(largest_costs[d], std::abs(problem.costs[d * cells + cell]));
      }
      options.push_back({score, offered.costs.data() + offered.costs.size(), static_cast<int>(candidate)});
      for (size_t d : limited) offered.costs.push_back(problem.costs[d * cells + cell]);
    }
    offered.is_impossible = offered.is_impossible || options.empty();
    score_sum += largest_score;
    for (size_t d = 0; d < problem.num_costs; ++d) cost_sums[d] += largest_costs[d];
  }
  check_range("scores", score_sum);
  for (const double sum : cost_sums) check_range("costs", sum);
  return offered;
}

Layers::Layers(const Offered& offered, size_t count) : num_budgets_(offered.budgets.size()) {
  const auto dominates = [this](const Option& a, const Option& b) {  // or is as good and comes first
    if (a.score < b.score) return false;
    bool is_same = a.score == b.score;
    for (size_t d = 0; d < num_budgets_; ++d) {
      if (a.cost[d] > b.cost[d]) return false;
      is_same = is_same && a.cost[d] == b.cost[d];
    }
    return !is_same || a.candidate < b.candidate;
  };
  for (const std::vector<Option>& options : offered.layers) {
    std::vector<Option>& kept = layers_.emplace_back();
    for (const Option& option : options) {
      size_t above = 0;
      for (const Option& other : options) {
        above += dominates(other, option) ? 1 : 0;
        if (above == count) break;
      }
      if (above < count) kept.push_back(option);
    }
  }
}

size_t Layers::widest() const {
  size_t widest = 0;
  for (const auto& options : layers_) widest = std::max(widest, options.size());
  return widest;
}

}  // namespace latgrad::search::internal
