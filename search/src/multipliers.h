// Bounds of what a partial architecture may still score, by Lagrangian relaxation: with a price on each cost,
// the budgets fall away and every layer is chosen by itself.
//
// Source: Fisher, "The Lagrangian relaxation method for solving integer programming problems", 1981; for
// knapsacks of this kind, Kellerer, Pferschy, Pisinger, "Knapsack problems", 2004, chapter 11.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "search_options.h"
#include "undominated.h"

namespace latgrad::search::internal {

// Prices of one unit of each cost, nothing below 0: those that give the lowest bound of all architectures
// first, then others around them, which are better for what is left of a budget after some layers. Any are
// right; these are tight.
std::vector<std::vector<double>> multipliers(const Layers& layers, std::span<const double> budgets);

template <size_t D>
class Bounds {
 public:
  Bounds(const Layers& layers, std::span<const double> budgets, std::span<const std::vector<double>> prices)
      : num_levels_(layers.size() + 1) {
    std::ranges::copy(budgets, budgets_.begin());
    add_least_costs(layers);
    for (const std::vector<double>& price : prices) add_price(layers, price);
  }

  // Whether any architecture is within the budgets, as far as rounding lets it be known.
  bool may_fit() const { return may_fit(0, Label<D>{.score = 0, .cost = {}}); }

  // Whether a label of so many layers may still be completed within the budgets.
  bool may_fit(size_t level, const Label<D>& label) const {
    for (size_t d = 0; d < D; ++d) {
      if (label.cost[d] + least_costs_[level][d] > budgets_[d] + cost_slack_[d]) return false;
    }
    return true;
  }

  // Of the scores of all completions of a label of so many layers, with room for rounding. No lower than it
  // must be once it is below `enough`.
  double upper_bound(size_t level, const Label<D>& label,
                     double enough = -std::numeric_limits<double>::infinity()) const {
    double least = std::numeric_limits<double>::infinity();
    for (const Price& price : prices_) {
      double bound = label.score + price.rest[level];
      for (size_t d = 0; d < D; ++d) bound -= price.of[d] * label.cost[d];
      least = std::min(least, bound);
      if (least < enough) break;
    }
    return least;
  }

  // Of the scores of all architectures with this option, with room for rounding.
  double upper_bound(size_t layer, const Option& option) const {
    double least = std::numeric_limits<double>::infinity();
    for (const Price& price : prices_) {
      const double lost = price.rest[layer] - price.rest[layer + 1] - price.value(option);
      least = std::min(least, price.rest[0] - lost);
    }
    return least;
  }

 private:
  struct Price {
    std::array<double, D> of;
    // [level]: what the layers from there on give at most, what the whole budgets cost, and room for
    // rounding.
    std::vector<double> rest;

    double value(const Option& option) const {
      double value = option.score;
      for (size_t d = 0; d < D; ++d) value -= of[d] * option.cost[d];
      return value;
    }
  };

  void add_least_costs(const Layers& layers) {
    least_costs_.resize(num_levels_);
    least_costs_.back().fill(0);
    for (size_t layer = layers.size(); layer-- > 0;) {
      std::array<double, D> least;
      least.fill(std::numeric_limits<double>::infinity());
      double largest_score = 0;
      std::array<double, D> largest{};
      for (const Option& option : layers.options(layer)) {
        largest_score = std::max(largest_score, std::abs(option.score));
        for (size_t d = 0; d < D; ++d) {
          least[d] = std::min(least[d], option.cost[d]);
          largest[d] = std::max(largest[d], std::abs(option.cost[d]));
        }
      }
      score_size_ += largest_score;
      for (size_t d = 0; d < D; ++d) {
        least_costs_[layer][d] = least_costs_[layer + 1][d] + least[d];
        cost_size_[d] += largest[d];
      }
    }
    for (size_t d = 0; d < D; ++d) cost_slack_[d] = rounding() * (std::abs(budgets_[d]) + cost_size_[d]);
  }

  void add_price(const Layers& layers, const std::vector<double>& price) {
    Price added{.of = {}, .rest = std::vector<double>(num_levels_)};
    std::ranges::copy(price, added.of.begin());
    double size = score_size_;
    for (size_t d = 0; d < D; ++d) {
      added.rest.back() += added.of[d] * budgets_[d];
      size += added.of[d] * (std::abs(budgets_[d]) + cost_size_[d]);
    }
    for (size_t layer = layers.size(); layer-- > 0;) {
      double most = -std::numeric_limits<double>::infinity();
      for (const Option& option : layers.options(layer)) most = std::max(most, added.value(option));
      added.rest[layer] = added.rest[layer + 1] + most;
    }
    for (double& rest : added.rest) rest += rounding() * size;
    prices_.push_back(std::move(added));
  }

  // Relative to the sum of sizes, of sums of a number for each layer in any order, with room to spare.
  double rounding() const {
    return 4 * static_cast<double>(num_levels_ + 4 * D + 4) * std::numeric_limits<double>::epsilon();
  }

  size_t num_levels_;
  std::array<double, D> budgets_{};
  std::vector<std::array<double, D>> least_costs_;  // [level]: of the layers from there on
  double score_size_ = 0;
  std::array<double, D> cost_size_{};
  std::array<double, D> cost_slack_{};
  std::vector<Price> prices_;
};

}  // namespace latgrad::search::internal
