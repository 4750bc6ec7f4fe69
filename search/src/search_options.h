// What an exact search chooses from: a problem's offered candidates, checked, and without those that cannot
// be chosen.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "latgrad/search/exact_search.h"

namespace latgrad::search::internal {

// A candidate of a layer.
struct Option {
  double score = 0;
  const double* cost = nullptr;  // of the costs with a finite budget
  int candidate = 0;
};

struct Offered {
  std::vector<std::vector<Option>> layers;
  std::vector<double> budgets;  // the finite ones
  std::vector<double> costs;    // what options point into
  bool is_impossible = false;   // a layer offers nothing, or a budget is -inf
};

// Errors: as best_architectures.
Offered offered_options(const SearchProblem& problem);

// The options of each layer that are among the `count` best ones of some budget: no `count` others cost at
// most as much and score at least as much. In the order of the candidates. Points into `offered`.
class Layers {
 public:
  Layers(const Offered& offered, size_t count);

  size_t size() const { return layers_.size(); }
  const std::vector<Option>& options(size_t layer) const { return layers_[layer]; }
  size_t widest() const;
  size_t num_budgets() const { return num_budgets_; }

  // Removes the options for which `is_needed(layer, option)` is false.
  template <typename Predicate>
  void keep(Predicate&& is_needed) {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      std::erase_if(layers_[layer], [&](const Option& option) { return !is_needed(layer, option); });
    }
  }

 private:
  std::vector<std::vector<Option>> layers_;
  size_t num_budgets_;
};

}  // namespace latgrad::search::internal
