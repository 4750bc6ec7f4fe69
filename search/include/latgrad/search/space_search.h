// Exact search of a space: its architectures with the largest score within budgets of latency,
// multiply-accumulates, parameters and peak memory.
//
//   const SpaceSearch found = search_space(
//       {.space = space, .precision = Precision::kInt8, .scores = scores,
//        .costs = {{.fixed = model.by(p50).fixed_us, .table = model.by(p50).table_us, .budget = 20'000}}});
//   found.best.front().arch;
//
// By best_architectures (exact_search.h), with what all architectures share as one layer more, the last one.
// Peak memory is not additive: candidates that exceed it by themselves are not offered, and of the others the
// best are looked at until enough fit, which is still exact.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "latgrad/search/exact_search.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

// What an architecture costs: `fixed`, and of each layer the chosen candidate's part. L layers, C candidates.
struct AdditiveCost {
  double fixed = 0;
  std::vector<double> table;  // [L, C]; anything where not offered
  double budget = 0;          // inf: none

  double of(const Architecture& arch) const;  // in the order of the layers
};

// Of every candidate and of the rest, exact. Linear in layers times candidates.
AdditiveCost macs_of(const Space& space, Precision precision);
AdditiveCost params_of(const Space& space, Precision precision);

struct SpaceQuery {
  Space space;
  Precision precision = Precision::kInt8;
  std::vector<double> scores;  // [L, C]
  std::vector<AdditiveCost> costs;
  std::vector<uint8_t> valid = {};  // [L, C], 0: not offered; empty: what the space offers
  std::optional<int64_t> max_peak_bytes = {};
  size_t count = 1;
  std::function<bool()> stop_requested = {};
};

struct SpaceSearch {
  std::vector<ScoredArchitecture> best;  // costs with their fixed parts
  double bound = 0;                      // as ExactSearch
  bool proven = false;
  bool stopped = false;  // by stop_requested; not proven without it: too few of the best kMaxArchitectures
                         // fit the memory
  size_t num_labels = 0;
};

// Errors: as best_architectures.
SpaceSearch search_space(const SpaceQuery& query);

// The same for several budgets of the first cost; the last one where a stop is requested is that which was
// stopped.
std::vector<SpaceSearch> search_space(const SpaceQuery& query, std::span<const double> budgets);

// The least peak memory that an architecture of the space can have.
int64_t least_peak_bytes(const Space& space, Precision precision);

// As pareto_front of exact_search.h. Errors: as there; ValueError for a limit of the peak memory, which only
// searches of single budgets know.
std::optional<std::vector<ScoredArchitecture>> pareto_front(const SpaceQuery& query);

// As cheapest_architecture, of query.costs[cost].
ScoredArchitecture cheapest_architecture(const SpaceQuery& query, size_t cost);

}  // namespace latgrad::search
