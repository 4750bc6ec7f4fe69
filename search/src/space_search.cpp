#include "latgrad/search/space_search.h"

#include <algorithm>
#include <array>
#include <limits>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/memory.h"
#include "latgrad/search/lowering.h"

namespace latgrad::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr const char* kSearched = "a space that is searched";

// Calls visit(layer, candidate, cell) for what the space offers.
template <typename Visit>
void for_each_offered(const Space& space, const Visit& visit) {
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const std::vector<bool>& offered = space.layers()[layer].offered;
    for (size_t candidate = 0; candidate < offered.size(); ++candidate) {
      if (offered[candidate]) visit(layer, candidate, layer * space.max_candidates() + candidate);
    }
  }
}

template <typename Count>
AdditiveCost counted(const Space& space, Precision precision, const Count& count) {
  refuse_chain(space, "the space of additive costs");
  AdditiveCost cost{.table = std::vector<double>(space.layers().size() * space.max_candidates()),
                    .budget = kInfinity};
  const auto of = [&count](const net::Net& net) {
    return static_cast<double>(count(net, net::infer_shapes(net, {.list_blobs = false})));
  };
  cost.fixed = of(lower_fixed(space, precision));
  for_each_offered(space, [&](size_t layer, size_t candidate, size_t cell) {
    cost.table[cell] = of(lower_block(space, layer, candidate, precision));
  });
  return cost;
}

int64_t peak_bytes(const net::Net& net) {
  return net::memory_use(net, net::infer_shapes(net, {.list_blobs = false})).peak_activation_bytes;
}

// The peak of the operators that all architectures share. Between two blocks one tensor is alive, so that it
// is the same in every architecture, as the peak of a candidate is.
int64_t fixed_peak_bytes(const Space& space, Precision precision) {
  Architecture any;
  for (const LayerInfo& layer : space.layers()) {
    any.push_back(static_cast<int>(std::ranges::find(layer.offered, true) - layer.offered.begin()));
  }
  const net::Net whole = lower(space, any, precision);
  const std::vector<int64_t> live_bytes =
      net::memory_use(whole, net::infer_shapes(whole, {.list_blobs = false})).live_bytes;
  const net::Net fixed = lower_fixed(space, precision);
  const auto head = std::ranges::find_if(fixed.ops, [](const net::Operator& op) {
    return std::ranges::find(op.inputs, "layers_out") != op.inputs.end();
  });
  const auto stem_size = head - fixed.ops.begin();
  const auto head_size = fixed.ops.end() - head;
  int64_t peak = 0;
  for (auto bytes = live_bytes.begin(); bytes != live_bytes.begin() + stem_size; ++bytes)
    peak = std::max(peak, *bytes);
  for (auto bytes = live_bytes.end() - head_size; bytes != live_bytes.end(); ++bytes)
    peak = std::max(peak, *bytes);
  return peak;
}

// The problem of a query, with the fixed parts as a last layer.
struct Problem {
  explicit Problem(const SpaceQuery& query)
      : num_layers(query.space.layers().size()), num_candidates(query.space.max_candidates()) {
    refuse_chain(query.space, kSearched);
    const size_t cells = num_layers * num_candidates;
    valid.assign(cells, 0);
    for_each_offered(query.space, [&](size_t layer, size_t candidate, size_t cell) {
      valid[cell] = query.valid.empty() || query.valid[cell] != 0;
      if (valid[cell] == 0 || !query.max_peak_bytes) return;
      const int64_t peak = peak_bytes(lower_block(query.space, layer, candidate, query.precision));
      valid[cell] = peak <= *query.max_peak_bytes;
    });
    if (query.max_peak_bytes && fixed_peak_bytes(query.space, query.precision) > *query.max_peak_bytes) {
      std::ranges::fill(valid, 0);
    }
    scores = query.scores;
    add_layer(scores, 0);
    valid.push_back(1);
    valid.resize(cells + num_candidates, 0);
    for (const AdditiveCost& cost : query.costs) {
      costs.insert(costs.end(), cost.table.begin(), cost.table.end());
      add_layer(costs, cost.fixed);
      budgets.push_back(cost.budget);
    }
  }

  void add_layer(std::vector<double>& values, double first) const {
    values.push_back(first);
    values.resize(values.size() + num_candidates - 1, 0);
  }

  SearchProblem problem() const {
    return {num_layers + 1, num_candidates, budgets.size(), scores, costs, budgets, valid};
  }

  size_t num_layers;
  size_t num_candidates;
  std::vector<double> scores, costs, budgets;
  std::vector<uint8_t> valid;
};

ScoredArchitecture without_fixed_layer(ScoredArchitecture found) {
  found.arch.pop_back();
  return found;
}

SpaceSearch search_problem(const SpaceQuery& query, const Problem& problem) {
  const auto is_stopped = [&query] { return query.stop_requested && query.stop_requested(); };
  for (size_t asked = query.count;; asked = std::min(10 * asked, kMaxArchitectures)) {
    const ExactSearch found =
        best_architectures(problem.problem(), {.count = asked, .stop_requested = query.stop_requested});
    SpaceSearch result{.best = {},
                       .bound = found.bound,
                       .proven = found.proven,
                       .stopped = !found.proven,
                       .num_labels = found.num_labels};
    bool has_looked_at_all = true;
    double last_score = found.bound;
    for (const ScoredArchitecture& one : found.best) {
      if (result.best.size() == query.count) break;
      if (query.max_peak_bytes && is_stopped()) {
        result.stopped = true;
        has_looked_at_all = false;
        break;
      }
      last_score = one.score;
      ScoredArchitecture plain = without_fixed_layer(one);
      const bool fits =
          !query.max_peak_bytes ||
          peak_activation_bytes(query.space, plain.arch, query.precision) <= *query.max_peak_bytes;
      if (fits) result.best.push_back(std::move(plain));
    }
    const bool is_enough =
        result.best.size() == query.count || (has_looked_at_all && found.best.size() < asked);
    result.proven = found.proven && is_enough;
    // The first that fits is the best; of what has not been looked at nothing scores more than the last that
    // was.
    if (found.proven) result.bound = result.best.empty() ? last_score : result.best.front().score;
    if (result.proven && result.best.empty()) result.bound = -kInfinity;
    if (is_enough || result.stopped || asked == kMaxArchitectures) return result;
  }
}

}  // namespace

double AdditiveCost::of(const Architecture& arch) const {
  const size_t num_candidates = table.size() / arch.size();
  double sum = 0;
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    sum += table[layer * num_candidates + static_cast<size_t>(arch[layer])];
  }
  return sum + fixed;
}

AdditiveCost macs_of(const Space& space, Precision precision) {
  return counted(space, precision,
                 [](const net::Net&, const net::NetShapes& shapes) { return net::count_macs(shapes).macs; });
}

AdditiveCost params_of(const Space& space, Precision precision) {
  return counted(space, precision, [](const net::Net& net, const net::NetShapes& shapes) {
    return net::count_parameters(net, shapes).weights;
  });
}

SpaceSearch search_space(const SpaceQuery& query) {
  return search_space(query, std::array{query.costs.front().budget}).front();
}

std::vector<SpaceSearch> search_space(const SpaceQuery& query, std::span<const double> budgets) {
  Problem problem(query);
  std::vector<SpaceSearch> results;
  for (const double budget : budgets) {
    problem.budgets.front() = budget;
    results.push_back(search_problem(query, problem));
    if (results.back().stopped) break;
  }
  return results;
}

int64_t least_peak_bytes(const Space& space, Precision precision) {
  refuse_chain(space, kSearched);
  int64_t least = fixed_peak_bytes(space, precision);
  std::vector<int64_t> of_layers(space.layers().size(), std::numeric_limits<int64_t>::max());
  for_each_offered(space, [&](size_t layer, size_t candidate, size_t) {
    of_layers[layer] =
        std::min(of_layers[layer], peak_bytes(lower_block(space, layer, candidate, precision)));
  });
  return std::max(least, std::ranges::max(of_layers));
}

std::optional<std::vector<ScoredArchitecture>> pareto_front(const SpaceQuery& query) {
  if (query.max_peak_bytes) {
    throw ValueError(
        "a whole Pareto front must have no limit of the peak memory, which is not additive; search budgets "
        "one by one");
  }
  const Problem problem(query);
  auto front = pareto_front(problem.problem());
  if (!front) return std::nullopt;
  for (ScoredArchitecture& one : *front) one = without_fixed_layer(std::move(one));
  return front;
}

ScoredArchitecture cheapest_architecture(const SpaceQuery& query, size_t cost) {
  const Problem problem(query);
  return without_fixed_layer(cheapest_architecture(problem.problem(), cost));
}

}  // namespace latgrad::search
