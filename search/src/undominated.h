// Partial architectures, and which of them may still become one of the best.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <vector>

#include "search_options.h"

namespace latgrad::search::internal {

// The choices in the first layers: their sums, the last choice, and the place of the others among the labels
// of one layer less.
template <size_t D>
struct Label {
  double score = 0;
  std::array<double, D> cost;  // of the costs with a finite budget
  uint32_t parent = 0;
  uint32_t choice = 0;
};

// With one layer more. `parent` and `choice` are the caller's.
template <size_t D>
Label<D> extended(const Label<D>& label, const Option& option) {
  Label<D> longer;
  longer.score = label.score + option.score;
  for (size_t d = 0; d < D; ++d) longer.cost[d] = label.cost[d] + option.cost[d];
  return longer;
}

// The sums of a label that `keep_undominated` compares; `place` is its rank in lexicographic order.
template <size_t D>
struct Ranked {
  std::array<double, D> cost;
  double score;
  uint32_t place;
};

// Two costs: what has been seen, as steps of falling second over rising first cost. Only what no other step
// dominates.
class Staircase {
 public:
  // Whether a step costs at most as much.
  bool is_above(const std::array<double, 2>& cost) const {
    const auto next = steps_.upper_bound(cost[0]);
    return next != steps_.begin() && std::prev(next)->second <= cost[1];
  }
  void add(const std::array<double, 2>& cost) {
    auto next = steps_.insert_or_assign(cost[0], cost[1]).first;
    for (++next; next != steps_.end() && next->second >= cost[1];) next = steps_.erase(next);
  }

 private:
  std::map<double, double> steps_;  // first to second cost
};

// Compared with one another where there are three costs and more: enough to catch most, few enough to be
// quick.
inline constexpr size_t kCompared = 64;

// Removes labels that `count` others dominate: these cost at most as much and score at least as much, and
// where both are equal come first. Their completions are at least as good, rounding included, as rounded
// addition is monotone. Exact up to two costs; with more, some that could be removed stay. The others keep
// their order. O(n log n) for one cost, times log(count) for two.
template <size_t D>
void keep_undominated(std::vector<Label<D>>& labels, size_t count) {
  if (labels.size() <= count) return;
  std::vector<Ranked<D>> ranked;
  ranked.reserve(labels.size());
  for (uint32_t place = 0; place < labels.size(); ++place) {
    ranked.push_back({labels[place].cost, labels[place].score, place});
  }
  std::vector<bool> stays(labels.size(), false);
  if constexpr (D == 1) {
    std::sort(ranked.begin(), ranked.end(), [](const Ranked<D>& a, const Ranked<D>& b) {
      if (a.cost[0] != b.cost[0]) return a.cost[0] < b.cost[0];
      return a.score != b.score ? a.score > b.score : a.place < b.place;
    });
    // The largest scores among what costs no more.
    std::priority_queue<double, std::vector<double>, std::greater<>> best;
    for (const Ranked<D>& label : ranked) {
      if (best.size() == count) {
        if (best.top() >= label.score) continue;
        best.pop();
      }
      best.push(label.score);
      stays[label.place] = true;
    }
  } else {
    std::sort(ranked.begin(), ranked.end(), [](const Ranked<D>& a, const Ranked<D>& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.cost != b.cost ? a.cost < b.cost : a.place < b.place;
    });
    if constexpr (D == 0) {
      for (size_t i = 0; i < count; ++i) stays[ranked[i].place] = true;
    } else if constexpr (D == 2) {
      // A label that none of the n-th staircase's dominates becomes one of it; what each staircase holds
      // dominates it once.
      std::vector<Staircase> stairs(count);
      for (const Ranked<D>& label : ranked) {
        // What one dominates, all before it do.
        const auto stair = std::ranges::partition_point(
            stairs, [&](const Staircase& one) { return one.is_above(label.cost); });
        if (stair == stairs.end()) continue;
        stair->add(label.cost);
        stays[label.place] = true;
      }
    } else {
      std::vector<const Ranked<D>*> compared;
      for (const Ranked<D>& label : ranked) {
        size_t above = 0;
        for (const Ranked<D>* other : compared) {
          bool is_above = true;
          for (size_t d = 0; d < D; ++d) is_above = is_above && other->cost[d] <= label.cost[d];
          above += is_above ? 1 : 0;
          if (above == count) break;
        }
        if (above == count) continue;
        if (compared.size() < std::max(kCompared, count)) compared.push_back(&label);
        stays[label.place] = true;
      }
    }
  }
  size_t kept = 0;
  for (size_t place = 0; place < labels.size(); ++place) {
    if (stays[place]) labels[kept++] = labels[place];
  }
  labels.resize(kept);
}

}  // namespace latgrad::search::internal
