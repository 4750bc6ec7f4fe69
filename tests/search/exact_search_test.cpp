// Exact search against all architectures, one by one.

#include "latgrad/search/exact_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "latgrad/base/error.h"

namespace latgrad::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Instance {
  size_t num_layers = 0, num_candidates = 0, num_costs = 1;
  std::vector<double> scores = {}, costs = {}, budgets = {};
  std::vector<uint8_t> valid = {};

  SearchProblem problem() const {
    return {num_layers, num_candidates, num_costs, scores, costs, budgets, valid};
  }
};

ScoredArchitecture priced(const Instance& instance, const Architecture& arch) {
  ScoredArchitecture found{arch, 0, std::vector<double>(instance.num_costs)};
  const size_t cells = instance.num_layers * instance.num_candidates;
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    const size_t cell = layer * instance.num_candidates + static_cast<size_t>(arch[layer]);
    found.score += instance.scores[cell];
    for (size_t d = 0; d < instance.num_costs; ++d) found.costs[d] += instance.costs[d * cells + cell];
  }
  return found;
}

// Every architecture within the budgets, best first.
std::vector<ScoredArchitecture> brute_force(const Instance& instance, size_t count) {
  std::vector<ScoredArchitecture> all;
  Architecture arch(instance.num_layers, 0);
  for (;;) {
    bool is_offered = true;
    for (size_t layer = 0; layer < arch.size(); ++layer) {
      const size_t cell = layer * instance.num_candidates + static_cast<size_t>(arch[layer]);
      is_offered = is_offered && (instance.valid.empty() || instance.valid[cell] != 0);
    }
    if (is_offered) {
      ScoredArchitecture one = priced(instance, arch);
      bool fits = std::isfinite(one.score);
      for (size_t d = 0; d < instance.num_costs; ++d) {
        fits = fits && one.costs[d] <= instance.budgets[d] && one.costs[d] < kInfinity;
      }
      if (fits) all.push_back(std::move(one));
    }
    size_t layer = arch.size();
    while (layer > 0 && static_cast<size_t>(++arch[layer - 1]) == instance.num_candidates) arch[--layer] = 0;
    if (layer == 0) break;
  }
  // Costs without a budget do not count.
  const auto limited = [&](std::vector<double> costs) {
    for (size_t d = 0; d < costs.size(); ++d) costs[d] = instance.budgets[d] < kInfinity ? costs[d] : 0;
    return costs;
  };
  std::ranges::sort(all, [&](const auto& a, const auto& b) {
    return std::tuple(-a.score, limited(a.costs), a.arch) < std::tuple(-b.score, limited(b.costs), b.arch);
  });
  if (all.size() > count) all.resize(count);
  return all;
}

using Draw = std::function<double(std::mt19937_64&)>;

Instance random_instance(std::mt19937_64& random) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  Instance instance{.num_layers = 1 + below(6), .num_candidates = 1 + below(5), .num_costs = 1 + below(2)};
  // Few values make ties; any value makes none.
  const bool has_ties = below(2) == 0;
  const bool is_proportional = below(3) == 0;
  std::uniform_real_distribution<double> uniform(0, 1);
  const auto number = [&] { return has_ties ? static_cast<double>(below(4)) : uniform(random); };
  const size_t cells = instance.num_layers * instance.num_candidates;
  for (size_t i = 0; i < cells * instance.num_costs; ++i) instance.costs.push_back(number());
  for (size_t i = 0; i < cells; ++i) {
    instance.scores.push_back(is_proportional ? instance.costs[i] + number() / 64
                                              : number() - 1.5 * below(2));
  }
  if (below(3) == 0) {
    for (size_t i = 0; i < cells; ++i) instance.valid.push_back(below(4) != 0);
  }
  for (size_t d = 0; d < instance.num_costs; ++d) {
    const double most = static_cast<double>(instance.num_layers) * (has_ties ? 3 : 1);
    instance.budgets.push_back(below(8) == 0 ? kInfinity
                               : has_ties    ? below(static_cast<size_t>(most) + 1)
                                             : most * uniform(random));
  }
  return instance;
}

TEST(ExactSearchTest, FindsWhatBruteForceFinds) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    const Instance instance = random_instance(random);
    const size_t count = 1 + random() % 10;
    const ExactSearch found = best_architectures(instance.problem(), {.count = count});
    const std::vector<ScoredArchitecture> expected = brute_force(instance, count);
    ASSERT_TRUE(found.proven);
    ASSERT_EQ(found.best.size(), expected.size()) << "instance " << i;
    for (size_t k = 0; k < expected.size(); ++k) {
      ASSERT_EQ(found.best[k].score, expected[k].score) << "instance " << i << ", place " << k;
      ASSERT_EQ(found.best[k].costs, expected[k].costs) << "instance " << i << ", place " << k;
      ASSERT_EQ(found.best[k].arch, expected[k].arch) << "instance " << i << ", place " << k;
    }
    ASSERT_EQ(found.bound, expected.empty() ? -kInfinity : expected.front().score);
  }
}

// With room for so few labels most levels are done part by part.
TEST(ExactSearchTest, FindsTheSameWithLittleMemory) {
  std::mt19937_64 random(31);
  for (int i = 0; i < 3000; ++i) {
    const Instance instance = random_instance(random);
    const size_t count = 1 + random() % 10;
    const ExactSearch found = best_architectures(instance.problem(), {.count = count, .max_labels = 1});
    const std::vector<ScoredArchitecture> expected = brute_force(instance, count);
    ASSERT_TRUE(found.proven);
    ASSERT_EQ(found.best.size(), expected.size()) << "instance " << i;
    for (size_t k = 0; k < expected.size(); ++k) ASSERT_EQ(found.best[k].score, expected[k].score);
  }
}

// The instances of a search in earnest: scores unrelated to costs, or nearly proportional to them.
Instance large_instance(size_t num_layers, size_t num_candidates, size_t num_costs, bool is_proportional,
                        std::mt19937_64& random) {
  Instance instance{.num_layers = num_layers, .num_candidates = num_candidates, .num_costs = num_costs};
  std::uniform_real_distribution<double> uniform(0, 1);
  const size_t cells = num_layers * num_candidates;
  for (size_t i = 0; i < num_costs * cells; ++i) instance.costs.push_back(1000 * uniform(random));
  for (size_t i = 0; i < cells; ++i) {
    double cost = 0;
    for (size_t d = 0; d < num_costs; ++d) cost += instance.costs[d * cells + i];
    instance.scores.push_back(is_proportional ? cost * (1 + 0.05 * uniform(random)) : uniform(random));
  }
  instance.budgets.assign(num_costs, 400.0 * static_cast<double>(num_layers));
  return instance;
}

double best_score(const Instance& instance) {
  const ExactSearch found = best_architectures(instance.problem());
  return found.best.empty() ? -kInfinity : found.best.front().score;
}

TEST(ExactSearchTest, FindsWhatBruteForceFindsWithManyBudgets) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    Instance instance = large_instance(4, 4, 3 + random() % 6, i % 2 == 0, random);
    for (double& budget : instance.budgets) budget = 2000 + static_cast<double>(random() % 1000);
    const ExactSearch found = best_architectures(instance.problem(), {.count = 5});
    const std::vector<ScoredArchitecture> expected = brute_force(instance, 5);
    ASSERT_EQ(found.best.size(), expected.size());
    for (size_t k = 0; k < expected.size(); ++k) ASSERT_EQ(found.best[k].arch, expected[k].arch);
  }
  Instance instance = large_instance(4, 4, 9, false, random);
  EXPECT_THROW(best_architectures(instance.problem()), ValueError);
}

TEST(ExactSearchTest, TheBestAreInOrderWithinTheBudgetAndDifferent) {
  std::mt19937_64 random(5);
  for (const bool is_proportional : {false, true}) {
    const Instance instance = large_instance(22, 9, 1, is_proportional, random);
    const ExactSearch found = best_architectures(instance.problem(), {.count = 100});
    ASSERT_EQ(found.best.size(), 100u);
    EXPECT_TRUE(found.proven);
    for (size_t k = 0; k < 100; ++k) {
      const ScoredArchitecture expected = priced(instance, found.best[k].arch);
      EXPECT_EQ(found.best[k].score, expected.score);
      EXPECT_EQ(found.best[k].costs, expected.costs);
      EXPECT_LE(found.best[k].costs[0], instance.budgets[0]);
      for (size_t j = 0; j < k; ++j) EXPECT_NE(found.best[j].arch, found.best[k].arch);
      EXPECT_LE(found.best[k].score, found.best[k == 0 ? 0 : k - 1].score);
    }
    EXPECT_EQ(found.best.front().score, best_score(instance));
  }
}

TEST(ExactSearchTest, ALargerBudgetNeverScoresLess) {
  std::mt19937_64 random(11);
  Instance instance = large_instance(22, 9, 1, true, random);
  double before = -kInfinity;
  for (double budget = 500; budget < 22'000; budget += 500) {
    instance.budgets = {budget};
    const double score = best_score(instance);
    EXPECT_GE(score, before);
    before = score;
  }
}

TEST(ExactSearchTest, AConstantOfALayerAndAScaleOfTheCostsChangeNothing) {
  std::mt19937_64 random(13);
  for (int i = 0; i < 50; ++i) {
    Instance instance = large_instance(12, 6, 1 + i % 2, i % 3 == 0, random);
    const Architecture arch = best_architectures(instance.problem()).best.front().arch;
    for (size_t c = 0; c < 6; ++c) instance.scores[6 * 4 + c] += 1024;
    EXPECT_EQ(best_architectures(instance.problem()).best.front().arch, arch);
    for (double& cost : instance.costs) cost *= 8;  // exact in binary
    for (double& budget : instance.budgets) budget *= 8;
    EXPECT_EQ(best_architectures(instance.problem()).best.front().arch, arch);
  }
}

TEST(ExactSearchTest, TheFrontIsThatOfSingleSearches) {
  std::mt19937_64 random(17);
  for (int i = 0; i < 200; ++i) {
    Instance instance = random_instance(random);
    instance.budgets[0] = kInfinity;
    const auto front = pareto_front(instance.problem());
    ASSERT_TRUE(front);
    Instance limited = instance;
    for (const ScoredArchitecture& one : *front) {
      limited.budgets[0] = one.costs[0];
      const ExactSearch found = best_architectures(limited.problem());
      ASSERT_EQ(found.best.front().score, one.score);
      ASSERT_EQ(found.best.front().costs[0], one.costs[0]);
      limited.budgets[0] = std::nextafter(one.costs[0], -kInfinity);
      ASSERT_LT(best_score(limited), one.score);
    }
    ASSERT_EQ(best_score(instance), front->empty() ? -kInfinity : front->back().score);
  }
  const Instance large = large_instance(22, 9, 1, false, random);
  Instance unlimited = large;
  unlimited.budgets = {kInfinity};
  const auto front = pareto_front(unlimited.problem());
  ASSERT_TRUE(front);
  const auto after =
      std::ranges::find_if(*front, [&](const auto& one) { return one.costs[0] > large.budgets[0]; });
  EXPECT_EQ(std::prev(after)->score, best_score(large));
}

TEST(ExactSearchTest, TheCheapestHasTheSmallestSum) {
  const Instance instance{.num_layers = 2,
                          .num_candidates = 3,
                          .num_costs = 2,
                          .scores = {1, 2, 3, 1, 2, 3},
                          .costs = {5, 4, 6, 7, 8, 1, 1, 2, 3, 1, 2, 3},
                          .budgets = {0, 0},
                          .valid = {1, 1, 1, 1, 1, 0}};
  const ScoredArchitecture cheapest = cheapest_architecture(instance.problem(), 0);
  EXPECT_THAT(cheapest.arch, ElementsAre(1, 0));
  EXPECT_THAT(cheapest.costs, ElementsAre(11, 3));
  EXPECT_EQ(cheapest.score, 3);
  EXPECT_THAT(cheapest_architecture(instance.problem(), 1).arch, ElementsAre(0, 0));
}

TEST(ExactSearchTest, TiesGoToTheCheaperThenToTheFirst) {
  const Instance instance{
      .num_layers = 2, .num_candidates = 2, .scores = {1, 1, 1, 1}, .costs = {3, 2, 1, 1}, .budgets = {9}};
  const ExactSearch found = best_architectures(instance.problem(), {.count = 4});
  ASSERT_EQ(found.best.size(), 4u);
  EXPECT_THAT(found.best[0].arch, ElementsAre(1, 0));
  EXPECT_THAT(found.best[1].arch, ElementsAre(1, 1));
  EXPECT_THAT(found.best[2].arch, ElementsAre(0, 0));
  EXPECT_THAT(found.best[3].arch, ElementsAre(0, 1));
}

TEST(ExactSearchTest, AnInfeasibleBudgetHasNoArchitecture) {
  Instance instance{
      .num_layers = 1, .num_candidates = 2, .scores = {1, 2}, .costs = {3, 4}, .budgets = {2.5}};
  for (const double budget : {2.5, -1.0, -kInfinity}) {
    instance.budgets = {budget};
    const ExactSearch found = best_architectures(instance.problem());
    EXPECT_THAT(found.best, IsEmpty());
    EXPECT_EQ(found.bound, -kInfinity);
    EXPECT_TRUE(found.proven);
  }
  instance.budgets = {kInfinity};
  instance.scores = {-kInfinity, -kInfinity};
  EXPECT_THAT(best_architectures(instance.problem()).best, IsEmpty());
}

TEST(ExactSearchTest, AnInfiniteScoreOrCostIsNotOffered) {
  const Instance instance{.num_layers = 1,
                          .num_candidates = 3,
                          .scores = {1, 5, -kInfinity},
                          .costs = {3, kInfinity, 1},
                          .budgets = {kInfinity}};
  const ExactSearch found = best_architectures(instance.problem(), {.count = 3});
  ASSERT_EQ(found.best.size(), 1u);
  EXPECT_THAT(found.best[0].arch, ElementsAre(0));
}

TEST(ExactSearchTest, NumbersOfAnySizeAreTakenAsTheyAre) {
  const double tiny = std::numeric_limits<double>::denorm_min();
  const Instance denormal{.num_layers = 2,
                          .num_candidates = 2,
                          .scores = {tiny, 3 * tiny, tiny, 3 * tiny},
                          .costs = {tiny, 2 * tiny, tiny, 2 * tiny},
                          .budgets = {3 * tiny}};
  EXPECT_EQ(best_score(denormal), 4 * tiny);
  const double huge = std::numeric_limits<double>::max() / 4;
  const Instance far{.num_layers = 2,
                     .num_candidates = 2,
                     .scores = {huge, -huge, huge, 0},
                     .costs = {huge, 0, huge, 0},
                     .budgets = {huge}};
  EXPECT_THAT(best_architectures(far.problem()).best.front().arch, ElementsAre(0, 1));
}

TEST(ExactSearchTest, EqualCostsByTheThousandAreEasy) {
  Instance instance{.num_layers = 10, .num_candidates = 1000};
  for (size_t i = 0; i < 10'000; ++i) {
    instance.scores.push_back(static_cast<double>(i * 7919 % 1000));
    instance.costs.push_back(1);
  }
  instance.budgets = {10};
  EXPECT_EQ(best_score(instance), 9990);
  instance.budgets = {9.5};
  EXPECT_EQ(best_score(instance), -kInfinity);
  instance.scores.assign(10'000, 1);
  instance.budgets = {10};
  EXPECT_THAT(best_architectures(instance.problem()).best.front().arch, ::testing::Each(0));
}

TEST(ExactSearchTest, AThousandLayersOfAThousandCandidates) {
  std::mt19937_64 random(23);
  const Instance instance = large_instance(1000, 1000, 1, false, random);
  const ExactSearch found = best_architectures(instance.problem());
  EXPECT_TRUE(found.proven);
  EXPECT_LE(found.best.front().costs[0], instance.budgets[0]);
}

TEST(ExactSearchTest, AStoppedSearchGivesTheBestFoundAndItsBound) {
  std::mt19937_64 random(29);
  const Instance instance = large_instance(80, 16, 2, true, random);
  for (const int questions : {0, 3, 60}) {
    int asked = 0;
    const ExactSearch found = best_architectures(
        instance.problem(), {.count = 2, .stop_requested = [&] { return asked++ >= questions; }});
    EXPECT_FALSE(found.proven);
    EXPECT_GT(found.bound, 0);
    if (questions > 0) {
      ASSERT_EQ(found.best.size(), 2u);
      EXPECT_GE(found.bound, found.best.front().score);
      EXPECT_LT(found.bound, 1.01 * found.best.front().score);
      EXPECT_EQ(found.best.front().score, priced(instance, found.best.front().arch).score);
    }
  }
}

TEST(ExactSearchTest, TheSameHardSearchWithLittleMemory) {
  std::mt19937_64 random(37);
  const Instance instance = large_instance(14, 6, 1, true, random);
  const ExactSearch whole = best_architectures(instance.problem(), {.count = 5});
  const ExactSearch parts = best_architectures(instance.problem(), {.count = 5, .max_labels = 14 * 64});
  ASSERT_TRUE(parts.proven);
  for (size_t k = 0; k < 5; ++k) EXPECT_EQ(parts.best[k].arch, whole.best[k].arch);
}

// Passes that keep few labels must not multiply where the memory is small.
TEST(ExactSearchTest, EveryPassButTheLastIsLinear) {
  std::mt19937_64 random(41);
  const Instance instance = large_instance(300, 9, 1, true, random);
  int asked = 0;
  const ExactSearch found = best_architectures(
      instance.problem(),
      {.count = 10, .max_labels = 300 * 500, .stop_requested = [&] { return asked++ > 300; }});
  ASSERT_EQ(found.best.size(), 10u);
  EXPECT_GE(found.bound, found.best.front().score);
  EXPECT_LT(found.bound, 1.001 * found.best.front().score);
}

TEST(ExactSearchTest, AStopIsAskedForAtOnce) {
  std::mt19937_64 random(43);
  const Instance instance = large_instance(5, 5, 1, false, random);
  const ExactSearch found = best_architectures(instance.problem(), {.stop_requested = [] { return true; }});
  EXPECT_FALSE(found.proven);
  EXPECT_THAT(found.best, IsEmpty());
  EXPECT_GE(found.bound, best_score(instance));
}

TEST(ExactSearchTest, RefusesWhatHasNoMeaning) {
  const auto message = [](const Instance& instance, size_t count = 1) -> std::string {
    try {
      best_architectures(instance.problem(), {.count = count});
    } catch (const ValueError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  const Instance fine{
      .num_layers = 1, .num_candidates = 2, .scores = {1, 2}, .costs = {3, 4}, .budgets = {5}};
  const auto changed = [&](auto change) {
    Instance instance = fine;
    change(instance);
    return instance;
  };
  EXPECT_EQ(message(fine), "nothing was thrown");
  EXPECT_THAT(message(fine, 0), HasSubstr("must be from 1 to 10000, got 0"));
  EXPECT_THAT(message(fine, 10001), HasSubstr("must be from 1 to 10000, got 10001"));
  EXPECT_THAT(message({.budgets = {1}}), HasSubstr("must have at least one layer"));
  EXPECT_THAT(message(changed([](Instance& i) { i.scores.pop_back(); })),
              HasSubstr("scores must have 2 values, got 1"));
  EXPECT_THAT(message(changed([](Instance& i) { i.costs.pop_back(); })),
              HasSubstr("costs must have 2 values, got 1"));
  EXPECT_THAT(message(changed([](Instance& i) { i.budgets = {}; })),
              HasSubstr("budgets must have 1 values, got 0"));
  EXPECT_THAT(message(changed([](Instance& i) { i.valid = {1}; })),
              HasSubstr("valid must have 2 values, got 1"));
  EXPECT_THAT(message(changed([](Instance& i) { i.scores[1] = NAN; })),
              HasSubstr("scores must be numbers below infinity, got nan for candidate 1 of layer 0"));
  EXPECT_THAT(message(changed([](Instance& i) { i.scores[0] = kInfinity; })),
              HasSubstr("below infinity, got inf"));
  EXPECT_THAT(message(changed([](Instance& i) { i.costs[1] = -kInfinity; })),
              HasSubstr("above minus infinity, got -inf"));
  EXPECT_THAT(message(changed([](Instance& i) { i.budgets[0] = NAN; })),
              HasSubstr("budgets must be numbers, got NaN"));
  // What is not offered may be anything.
  EXPECT_EQ(message(changed([](Instance& i) {
              i.scores[1] = NAN;
              i.valid = {1, 0};
            })),
            "nothing was thrown");
  const double huge = std::numeric_limits<double>::max();
  EXPECT_THAT(
      message(
          {.num_layers = 2, .num_candidates = 1, .scores = {huge, huge}, .costs = {1, 1}, .budgets = {5}}),
      HasSubstr("sums of scores must be within the range of doubles"));
}

}  // namespace
}  // namespace latgrad::search
