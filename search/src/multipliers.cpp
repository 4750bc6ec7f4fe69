#include "multipliers.h"

namespace latgrad::search::internal {
namespace {

using Vector = std::vector<double>;

// The differences within layers, summed: the unit of scores and costs in which multipliers are looked for.
struct Sizes {
  double score = 0;
  Vector costs;
};

Sizes sizes_of(const Layers& layers) {
  Sizes sizes{.costs = Vector(layers.num_budgets())};
  const auto add_range = [](double& sum, const std::vector<Option>& options, auto value) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Option& option : options) {
      low = std::min(low, value(option));
      high = std::max(high, value(option));
    }
    sum += high - low;
  };
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    add_range(sizes.score, layers.options(layer), [](const Option& option) { return option.score; });
    for (size_t d = 0; d < sizes.costs.size(); ++d) {
      add_range(sizes.costs[d], layers.options(layer), [d](const Option& option) { return option.cost[d]; });
    }
  }
  return sizes;
}

// What the best architecture at these prices costs beyond the budgets, negated: a subgradient of the bound.
// `bound` is the bound itself.
Vector left_of_budgets(const Layers& layers, std::span<const double> budgets, const Vector& prices,
                       double& bound) {
  Vector left(budgets.begin(), budgets.end());
  bound = 0;
  for (size_t d = 0; d < budgets.size(); ++d) bound += prices[d] * budgets[d];
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const Option* best = nullptr;
    double most = 0;
    for (const Option& option : layers.options(layer)) {
      double value = option.score;
      for (size_t d = 0; d < budgets.size(); ++d) value -= prices[d] * option.cost[d];
      if (best == nullptr || value > most) {
        best = &option;
        most = value;
      }
    }
    bound += most;
    for (size_t d = 0; d < budgets.size(); ++d) left[d] -= best->cost[d];
  }
  return left;
}

// One price: the lowest that keeps the budget, by bisection.
Vector best_price(const Layers& layers, std::span<const double> budgets, const Sizes& sizes) {
  constexpr int kHalvings = 24;
  constexpr int kDoublings = 60;
  double bound = 0;
  const auto fits = [&](double price) {
    return left_of_budgets(layers, budgets, {price}, bound).front() >= 0;
  };
  if (fits(0)) return {0};
  double high = sizes.score / sizes.costs.front();
  if (!std::isfinite(high)) return {0};
  for (int i = 0; i < kDoublings && !fits(high); ++i) high *= 2;
  double low = 0;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = low + (high - low) / 2;
    (fits(middle) ? high : low) = middle;
  }
  return {high};
}

// Several prices: the ellipsoid method, in units in which all of them are near 1.
// Source: Bland, Goldfarb, Todd, "The ellipsoid method: a survey", 1981.
Vector best_prices(const Layers& layers, std::span<const double> budgets, const Sizes& sizes) {
  const size_t n = budgets.size();
  const auto size = static_cast<double>(n);
  constexpr double kRadius = 16;
  Vector unit(n);
  for (size_t d = 0; d < n; ++d) unit[d] = sizes.costs[d] > 0 ? sizes.score / sizes.costs[d] : 0;
  Vector centre(n, 0.5);
  std::vector<Vector> shape(n, Vector(n, 0));
  for (size_t d = 0; d < n; ++d) shape[d][d] = kRadius * kRadius;
  Vector best(n, 0);
  double least = std::numeric_limits<double>::infinity();
  for (size_t step = 0; step < 50 * n * n; ++step) {
    Vector slope(n, 0);
    const auto negative = std::ranges::find_if(centre, [](double value) { return value < 0; });
    if (negative != centre.end()) {
      slope[static_cast<size_t>(negative - centre.begin())] = -1;
    } else {
      Vector prices(n);
      for (size_t d = 0; d < n; ++d) prices[d] = centre[d] * unit[d];
      double bound = 0;
      slope = left_of_budgets(layers, budgets, prices, bound);
      for (size_t d = 0; d < n; ++d) slope[d] *= unit[d];
      if (bound < least) {
        least = bound;
        best = prices;
      }
    }
    Vector pushed(n, 0);
    double along = 0;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) pushed[i] += shape[i][j] * slope[j];
      along += slope[i] * pushed[i];
    }
    along = std::sqrt(along);
    if (!(along > 1e-9 * sizes.score)) break;  // the bound cannot fall further; NaN where numbers are absurd
    for (size_t i = 0; i < n; ++i) centre[i] -= pushed[i] / along / (size + 1);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        shape[i][j] -= 2 / (size + 1) * (pushed[i] / along) * (pushed[j] / along);
        shape[i][j] *= size * size / (size * size - 1);
      }
    }
  }
  return best;
}

}  // namespace

std::vector<std::vector<double>> multipliers(const Layers& layers, std::span<const double> budgets) {
  if (budgets.empty()) return {{}};
  const Sizes sizes = sizes_of(layers);
  const Vector best =
      budgets.size() == 1 ? best_price(layers, budgets, sizes) : best_prices(layers, budgets, sizes);
  std::vector<Vector> all = {best};
  constexpr std::array kFactors = {0.99, 1.01, 0.97, 1.03, 0.9, 1.1, 0.75, 1.3, 0.5, 2.0, 0.0};
  for (const double factor : kFactors) {
    for (size_t d = 0; d < budgets.size(); ++d) {
      Vector changed = best;
      // A price of 0 says that its budget does not bind; it may, after some layers.
      const double unit = sizes.costs[d] > 0 ? sizes.score / sizes.costs[d] : 0;
      changed[d] = best[d] > 0 ? factor * best[d] : factor * 0.1 * unit;
      if (std::isfinite(changed[d])) all.push_back(std::move(changed));
    }
  }
  return all;
}

}  // namespace latgrad::search::internal
