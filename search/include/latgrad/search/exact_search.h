// Exact search: the architectures with the largest score within budgets, with a proof.
//
//   const ExactSearch found = best_architectures(
//       {.num_layers = 22, .num_candidates = 9, .num_costs = 1, .scores = scores, .costs = table_us, .budgets
//       = {20'000}},
//       {.count = 10});
//   found.best[0].arch;      // of all that cost at most 20 ms, the one with the largest score
//
// Scores and costs are additive over the layers and doubles as given: nothing is rounded or put on a grid.
// The sum of an architecture is that in the order of its layers. Of equal scores the cheaper one comes first,
// by the first budget that limits, then the next; of equal costs the one that comes first in lexicographic
// order. The result depends on neither machine nor threads.
//
// Exponential in the worst case, microseconds to milliseconds in practice: docs/exact-search.md has the
// method and its proof. Memory: some 2 kMaxLabels labels of 16 + 8 D bytes. Thread-safe: no state.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "latgrad/search/space.h"

namespace latgrad::search {

// How many costs may have a finite budget.
inline constexpr size_t kMaxBudgets = 8;
inline constexpr size_t kMaxLayers = 10'000;
// How many architectures a search may give.
inline constexpr size_t kMaxArchitectures = 10'000;
inline constexpr size_t kMaxLabels = size_t{1} << 23;

// L layers, C candidates of the widest layer, D costs.
struct SearchProblem {
  size_t num_layers = 0;
  size_t num_candidates = 0;
  size_t num_costs = 1;
  std::span<const double> scores;       // [L, C]; -inf: not offered
  std::span<const double> costs;        // [D, L, C]; inf: not offered
  std::span<const double> budgets;      // [D]; inf: no limit
  std::span<const uint8_t> valid = {};  // [L, C], 0: not offered; empty: all are
};

struct ScoredArchitecture {
  Architecture arch;
  double score = 0;
  std::vector<double> costs;  // [D]
};

struct ExactSearch {
  std::vector<ScoredArchitecture> best;  // best first; fewer than asked for where fewer fit
  // No architecture within the budgets scores more; -inf where none fits.
  double bound = 0;
  // The architectures are the best there are. False: the search was stopped.
  bool proven = false;
  size_t num_labels = 0;  // partial architectures that were looked at
};

struct ExactSearchOptions {
  size_t count = 1;
  // How many partial architectures are kept at a time: what does not fit is done part by part.
  size_t max_labels = kMaxLabels;
  std::function<bool()> stop_requested = {};  // asked at first, and about once a second; may be empty
};

// Errors: ValueError where sizes do not fit; for no layer or more than kMaxLayers; for a count of 0 or beyond
// kMaxArchitectures; for NaN; for a score of +inf or a cost of -inf that is offered; for sums beyond the
// range of doubles; for more than kMaxBudgets finite budgets.
ExactSearch best_architectures(const SearchProblem& problem, const ExactSearchOptions& options = {});

// Every architecture that no other one dominates: for the first cost, the best ones of all its budgets,
// cheapest first; each costs more than the one before and scores more. Of equal ones the cheapest by the
// other budgets, then the first in lexicographic order. budgets[0] limits it as the other budgets do. Nothing
// where more than kMaxLabels partial architectures would have to be kept: then best_architectures answers
// budgets one by one. Errors: as best_architectures.
std::optional<std::vector<ScoredArchitecture>> pareto_front(const SearchProblem& problem);

// The architecture of the smallest sum of one cost, whatever the others and the scores are: what an
// infeasible budget misses. Errors: as best_architectures.
ScoredArchitecture cheapest_architecture(const SearchProblem& problem, size_t cost);

}  // namespace latgrad::search
