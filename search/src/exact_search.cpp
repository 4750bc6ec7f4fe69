#include "latgrad/search/exact_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <type_traits>

#include "latgrad/base/error.h"
#include "multipliers.h"
#include "search_options.h"
#include "undominated.h"

namespace latgrad::search {
namespace {

using internal::Label;
using internal::Layers;
using internal::Option;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Labels that a pass keeps of each level: an easy search is over with the first, a hard one is compared with
// better and better architectures.
constexpr std::array<size_t, 5> kBeamWidths = {16, 64, 400, 3000, 20000};
// Labels between two questions whether to stop.
constexpr size_t kLabelsPerQuestion = size_t{1} << 12;

// The best complete architectures so far.
class Found {
 public:
  Found(size_t count, size_t num_budgets) : count_(count), num_budgets_(num_budgets) {}

  // -inf until there are as many as asked for.
  double worst_score() const { return best_.size() < count_ ? -kInfinity : best_.back().score; }

  // No architecture may be offered twice to one Found.
  void offer(ScoredArchitecture candidate) {
    if (candidate.score < worst_score()) return;
    const auto place = std::ranges::upper_bound(
        best_, candidate, [this](const auto& a, const auto& b) { return comes_before(a, b); });
    best_.insert(place, std::move(candidate));
    if (best_.size() > count_) best_.pop_back();
  }

  std::vector<ScoredArchitecture> take() { return std::move(best_); }
  const std::vector<ScoredArchitecture>& best() const { return best_; }

 private:
  bool comes_before(const ScoredArchitecture& a, const ScoredArchitecture& b) const {
    if (a.score != b.score) return a.score > b.score;
    for (size_t d = 0; d < num_budgets_; ++d) {
      if (a.costs[d] != b.costs[d]) return a.costs[d] < b.costs[d];
    }
    return a.arch < b.arch;
  }

  size_t count_;
  size_t num_budgets_;
  std::vector<ScoredArchitecture> best_;  // costs: of the limited ones; arch: by option
};

// Layer by layer, the partial architectures (labels) that may still become one of the best: those that fit,
// whose bound reaches the worst score found so far, and that fewer than `count` others dominate.
template <size_t D>
class Search {
 public:
  Search(Layers layers, const std::vector<double>& budgets, const ExactSearchOptions& options)
      : layers_(std::move(layers)),
        options_(options),
        budgets_(budgets),
        prices_(internal::multipliers(layers_, budgets)),
        bounds_(layers_, budgets, prices_),
        width_(std::max({options.max_labels / layers_.size(), 2 * layers_.widest(), size_t{16}})),
        levels_(layers_.size()),
        first_of_(layers_.size() + 1, 0) {}

  ExactSearch run() {
    ExactSearch result;
    if (!bounds_.may_fit()) return {.best = {}, .bound = -kInfinity, .proven = true};
    // Passes that keep the most promising labels only find what the last one, which keeps all, is compared
    // with.
    std::vector<ScoredArchitecture> best;
    for (const size_t beam : beams()) {
      beam_ = beam;
      Found found(options_.count, D);
      found_ = &found;
      root();
      result.proven = !truncated_ && !stopped_;
      if (!result.proven) {
        // What an earlier pass has found need not have been seen again.
        std::set<Architecture> seen;
        for (const ScoredArchitecture& one : found.best()) seen.insert(one.arch);
        for (ScoredArchitecture& one : best) {
          if (!seen.contains(one.arch)) found.offer(std::move(one));
        }
      }
      best = found.take();
      if (result.proven || stopped_) break;
      least_score_ = best.size() < options_.count ? -kInfinity : best.back().score;
      drop_options();
    }
    result.best = std::move(best);
    result.num_labels = num_labels_;
    result.bound = result.best.empty() ? -kInfinity : result.best.front().score;
    if (!result.proven) {
      // A pass that leaves labels out has no bound for what they lead to.
      const double open = truncated_ ? bounds_.upper_bound(0, Label<D>{.score = 0, .cost = {}}) : open_bound_;
      result.bound = std::max(result.bound, open);
    }
    return result;
  }

 private:
  using Labels = std::vector<Label<D>>;

  // How many labels of a level the passes keep; all in the last one.
  std::vector<size_t> beams() const {
    std::vector<size_t> beams;
    for (const size_t width : kBeamWidths) {
      const size_t beam = std::min(std::max(width, 2 * options_.count), width_);
      if (beams.empty() || beam > beams.back()) beams.push_back(beam);
    }
    beams.push_back(SIZE_MAX);
    return beams;
  }

  void root() {
    truncated_ = false;
    stopped_ = false;
    open_bound_ = -kInfinity;
    Label<D> start;
    start.cost.fill(0);
    expand(0, std::span<const Label<D>>(&start, 1));
  }

  // Options that no architecture as good as what has been found can have.
  void drop_options() {
    layers_.keep([&](size_t layer, const Option& option) {
      return !(bounds_.upper_bound(layer, option) < least_score_);
    });
    bounds_ = internal::Bounds<D>(layers_, budgets_, prices_);
  }

  // Labels of `level` layers, and what becomes of them.
  void expand(size_t level, std::span<const Label<D>> labels) {
    if (labels.empty()) return;
    if (should_stop(labels.size())) {
      stopped_ = true;
      for (const Label<D>& label : labels) {
        open_bound_ = std::max(open_bound_, bounds_.upper_bound(level, label));
      }
      return;
    }
    const std::vector<Option>& options = layers_.options(level);
    const bool is_last = level + 1 == layers_.size();
    const bool keeps_all = beam_ == SIZE_MAX;
    const size_t room = 4 * width_;
    if (!is_last && keeps_all && labels.size() > 1 && labels.size() * options.size() > room) {
      return halves(level, labels);
    }
    Labels& next = unpruned_;
    next.clear();
    for (size_t parent = 0; parent < labels.size(); ++parent) {
      const double threshold = std::max(least_score_, found_->worst_score());
      for (size_t choice = 0; choice < options.size(); ++choice) {
        Label<D> label = internal::extended(labels[parent], options[choice]);
        if (!bounds_.may_fit(level + 1, label) ||
            bounds_.upper_bound(level + 1, label, threshold) < threshold) {
          continue;
        }
        label.parent = first_of_[level] + static_cast<uint32_t>(parent);
        label.choice = static_cast<uint32_t>(choice);
        ++num_labels_;
        if (is_last) {
          offer(label);
        } else {
          next.push_back(label);
        }
      }
      if (!keeps_all && next.size() + options.size() > room) shrink(level + 1, next);
    }
    if (is_last) return;
    shrink(level + 1, next);
    if (next.size() > width_ && labels.size() > 1) return halves(level, labels);
    levels_[level].assign(next.begin(), next.end());
    first_of_[level + 1] = 0;
    expand(level + 1, levels_[level]);
  }

  void shrink(size_t level, Labels& labels) {
    internal::keep_undominated(labels, options_.count);
    if (labels.size() > beam_) truncate(level, labels);
  }

  // The first labels of a level are done before the others: dominance between the two is not seen, nothing
  // else is lost.
  void halves(size_t level, std::span<const Label<D>> labels) {
    const size_t half = labels.size() / 2;
    const uint32_t first = first_of_[level];
    expand(level, labels.first(half));
    first_of_[level] = first + static_cast<uint32_t>(half);
    expand(level, labels.subspan(half));
    first_of_[level] = first;
  }

  void truncate(size_t level, Labels& labels) {
    truncated_ = true;
    std::vector<std::pair<double, uint32_t>> order;
    for (size_t i = 0; i < labels.size(); ++i) {
      order.emplace_back(-bounds_.upper_bound(level, labels[i]), static_cast<uint32_t>(i));
    }
    std::ranges::nth_element(order, order.begin() + static_cast<std::ptrdiff_t>(beam_));
    order.resize(beam_);
    std::ranges::sort(order, {}, [](const auto& entry) { return entry.second; });
    for (size_t i = 0; i < order.size(); ++i) labels[i] = labels[order[i].second];
    labels.resize(order.size());
  }

  void offer(const Label<D>& last) {
    for (size_t d = 0; d < D; ++d) {
      if (last.cost[d] > budgets_[d]) return;
    }
    if (last.score < found_->worst_score()) return;
    ScoredArchitecture found{.arch = Architecture(layers_.size()),
                             .score = last.score,
                             .costs = {last.cost.begin(), last.cost.end()}};
    const Label<D>* label = &last;
    for (size_t layer = layers_.size(); layer-- > 0;) {
      found.arch[layer] = layers_.options(layer)[label->choice].candidate;
      if (layer > 0) label = &levels_[layer - 1][label->parent];
    }
    found_->offer(std::move(found));
  }

  bool should_stop(size_t labels) {
    if (stopped_) return true;
    if (!options_.stop_requested) return false;
    unasked_ += labels;
    if (unasked_ < kLabelsPerQuestion) return false;
    unasked_ = 0;
    return options_.stop_requested();
  }

  Layers layers_;
  const ExactSearchOptions& options_;
  const std::vector<double>& budgets_;
  std::vector<std::vector<double>> prices_;
  internal::Bounds<D> bounds_;
  size_t width_;
  std::vector<Labels> levels_;      // [layer]: the labels behind it, in lexicographic order
  Labels unpruned_;                 // of the level that is made now
  std::vector<uint32_t> first_of_;  // [level]: the place of the first label that is expanded now
  Found* found_ = nullptr;
  size_t beam_ = 0;
  double least_score_ = -kInfinity;
  bool truncated_ = false;
  bool stopped_ = false;
  double open_bound_ = -kInfinity;  // of what was not looked at
  size_t num_labels_ = 0;
  size_t unasked_ = kLabelsPerQuestion;  // the first labels ask
};

// Calls `call` with the number of budgets as a constant.
template <size_t D = 0, typename Call>
auto with_constant(size_t num_budgets, const Call& call) {
  if (num_budgets == D) return call(std::integral_constant<size_t, D>());
  if constexpr (D < kMaxBudgets) return with_constant<D + 1>(num_budgets, call);
  throw ValueError(fmt::format("at most {} budgets may be finite, got {}", kMaxBudgets, num_budgets));
}

// Every label that no other dominates, of all layers; nothing where there are too many.
template <size_t D>
std::optional<std::vector<ScoredArchitecture>> undominated(const Layers& layers,
                                                           const std::vector<double>& budgets) {
  const internal::Bounds<D> bounds(layers, budgets, {});
  std::vector<std::vector<Label<D>>> levels = {{Label<D>{.score = 0, .cost = {}}}};
  std::vector<Label<D>> next;
  size_t num_labels = 1;
  for (size_t level = 0; level < layers.size(); ++level) {
    const std::vector<Label<D>>& labels = levels[level];
    next.clear();
    if (labels.size() * layers.options(level).size() > kMaxLabels) return std::nullopt;
    for (uint32_t parent = 0; parent < labels.size(); ++parent) {
      for (uint32_t choice = 0; choice < layers.options(level).size(); ++choice) {
        Label<D> label = internal::extended(labels[parent], layers.options(level)[choice]);
        if (!bounds.may_fit(level + 1, label)) continue;
        label.parent = parent;
        label.choice = choice;
        next.push_back(label);
      }
    }
    internal::keep_undominated(next, 1);
    num_labels += next.size();
    if (num_labels > kMaxLabels) return std::nullopt;
    levels.emplace_back(next.begin(), next.end());
  }
  std::vector<ScoredArchitecture> found;
  for (const Label<D>& last : levels.back()) {
    bool fits = true;
    for (size_t d = 0; d < D; ++d) fits = fits && last.cost[d] <= budgets[d];
    if (!fits) continue;
    ScoredArchitecture& one = found.emplace_back(Architecture(layers.size()), last.score,
                                                 std::vector<double>(last.cost.begin(), last.cost.end()));
    const Label<D>* label = &last;
    for (size_t layer = layers.size(); layer-- > 0;) {
      one.arch[layer] = layers.options(layer)[label->choice].candidate;
      label = &levels[layer][label->parent];
    }
  }
  return found;
}

// Sums over the layers in their order.
void add_sums(const SearchProblem& problem, ScoredArchitecture& found) {
  found.score = 0;
  found.costs.assign(problem.num_costs, 0);
  for (size_t layer = 0; layer < problem.num_layers; ++layer) {
    const size_t cell = layer * problem.num_candidates + static_cast<size_t>(found.arch[layer]);
    found.score += problem.scores[cell];
    for (size_t d = 0; d < problem.num_costs; ++d) {
      found.costs[d] += problem.costs[d * problem.num_layers * problem.num_candidates + cell];
    }
  }
}

}  // namespace

ExactSearch best_architectures(const SearchProblem& problem, const ExactSearchOptions& options) {
  if (options.count == 0 || options.count > kMaxArchitectures) {
    throw ValueError(fmt::format("the number of architectures must be from 1 to {}, got {}",
                                 kMaxArchitectures, options.count));
  }
  const internal::Offered offered = internal::offered_options(problem);
  if (offered.is_impossible) return {.best = {}, .bound = -kInfinity, .proven = true};
  const Layers layers(offered, options.count);
  ExactSearch result = with_constant(offered.budgets.size(), [&](auto num_budgets) {
    return Search<num_budgets>(layers, offered.budgets, options).run();
  });
  for (ScoredArchitecture& found : result.best) add_sums(problem, found);
  return result;
}

std::optional<std::vector<ScoredArchitecture>> pareto_front(const SearchProblem& problem) {
  // The first cost limits nothing and counts all the same: its budget is beyond what any architecture costs.
  std::vector<double> budgets(problem.budgets.begin(), problem.budgets.end());
  if (!budgets.empty() && budgets[0] == kInfinity) budgets[0] = std::numeric_limits<double>::max();
  SearchProblem limited = problem;
  limited.budgets = budgets;
  const internal::Offered offered = internal::offered_options(limited);
  if (offered.is_impossible) return std::vector<ScoredArchitecture>();
  const Layers layers(offered, 1);
  auto found = with_constant(offered.budgets.size(), [&](auto num_budgets) {
    return undominated<num_budgets>(layers, offered.budgets);
  });
  if (!found) return std::nullopt;
  for (ScoredArchitecture& one : *found) add_sums(problem, one);
  std::ranges::sort(*found, [](const auto& a, const auto& b) {
    return std::tuple(a.costs[0], -a.score, a.arch) < std::tuple(b.costs[0], -b.score, b.arch);
  });
  double best_score = -kInfinity;
  std::erase_if(*found, [&](const ScoredArchitecture& one) {
    if (one.score <= best_score) return true;
    best_score = one.score;
    return false;
  });
  return found;
}

ScoredArchitecture cheapest_architecture(const SearchProblem& problem, size_t cost) {
  std::vector<double> budgets(problem.num_costs, kInfinity);
  SearchProblem free = problem;
  free.budgets = budgets;
  const internal::Offered offered = internal::offered_options(free);
  if (offered.is_impossible) throw ValueError("a layer must offer a candidate, got one that offers none");
  ScoredArchitecture found;
  const size_t cells = problem.num_layers * problem.num_candidates;
  for (size_t layer = 0; layer < problem.num_layers; ++layer) {
    const auto cost_of = [&](const Option& option) {
      return problem
          .costs[cost * cells + layer * problem.num_candidates + static_cast<size_t>(option.candidate)];
    };
    found.arch.push_back(std::ranges::min_element(offered.layers[layer], {}, cost_of)->candidate);
  }
  add_sums(problem, found);
  return found;
}

}  // namespace latgrad::search
