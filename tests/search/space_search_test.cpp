// The search of a space against all its architectures, with peak memory, which is not additive.

#include "latgrad/search/space_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/lowering.h"

namespace latgrad::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const Space kTiny = Space::load(LATGRAD_SOURCE_DIR "/data/spaces/tiny.textproto");

// 2, 3, 1 and 3 candidates are offered.
std::vector<Architecture> all_architectures() {
  std::vector<Architecture> all;
  for (int i = 0; i < 18; ++i) all.push_back({i / 9, i / 3 % 3, 0, i % 3});
  return all;
}

SpaceQuery query_with(Precision precision) {
  SpaceQuery query{.space = kTiny, .precision = precision, .scores = {}, .costs = {}};
  query.costs.push_back(macs_of(kTiny, precision));
  query.costs.push_back(params_of(kTiny, precision));
  // The less multiply-accumulates, the better: memory decides.
  for (const double macs : query.costs[0].table) query.scores.push_back(-macs);
  query.count = 100;
  return query;
}

TEST(SpaceSearchTest, MacsAndParametersAreThoseOfTheNetworks) {
  for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
    const AdditiveCost macs = macs_of(kTiny, precision);
    const AdditiveCost params = params_of(kTiny, precision);
    for (const Architecture& arch : all_architectures()) {
      const net::Net net = lower(kTiny, arch, precision);
      const net::NetShapes shapes = net::infer_shapes(net);
      EXPECT_EQ(macs.of(arch), static_cast<double>(net::count_macs(shapes).macs));
      EXPECT_EQ(params.of(arch), static_cast<double>(net::count_parameters(net, shapes).weights));
    }
  }
}

TEST(SpaceSearchTest, EveryLimitOfThePeakMemoryIsExact) {
  for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
    std::map<Architecture, int64_t> peaks;
    for (const Architecture& arch : all_architectures())
      peaks[arch] = peak_activation_bytes(kTiny, arch, precision);
    SpaceQuery query = query_with(precision);
    int64_t least = std::numeric_limits<int64_t>::max();
    for (const auto& [arch, limit] : peaks) {
      least = std::min(least, limit);
      query.max_peak_bytes = limit;
      const SpaceSearch found = search_space(query);
      EXPECT_TRUE(found.proven);
      const auto fits = [limit = limit](const auto& entry) { return entry.second <= limit; };
      EXPECT_EQ(found.best.size(), static_cast<size_t>(std::ranges::count_if(peaks, fits)));
      for (const ScoredArchitecture& one : found.best) {
        EXPECT_LE(peaks.at(one.arch), limit);
        EXPECT_EQ(one.costs[0], query.costs[0].of(one.arch));
      }
      EXPECT_EQ(found.bound, found.best.front().score);
    }
    EXPECT_EQ(least_peak_bytes(kTiny, precision), least);
    query.max_peak_bytes = least - 1;
    const SpaceSearch none = search_space(query);
    EXPECT_TRUE(none.proven);
    EXPECT_THAT(none.best, ::testing::IsEmpty());
    EXPECT_EQ(none.bound, -kInfinity);
  }
}

TEST(SpaceSearchTest, TheLeastPeakIsTheNetworksInALargeSpace) {
  const Space fbnet = Space::load(LATGRAD_SOURCE_DIR "/data/spaces/fbnet.textproto");
  for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
    const Architecture skips(22, 8);
    EXPECT_EQ(least_peak_bytes(fbnet, precision), peak_activation_bytes(fbnet, skips, precision));
  }
}

TEST(SpaceSearchTest, BudgetsIncludeWhatAllArchitecturesShare) {
  SpaceQuery query = query_with(Precision::kInt8);
  const ScoredArchitecture cheapest = cheapest_architecture(query, 0);
  EXPECT_EQ(cheapest.costs[0], query.costs[0].of(cheapest.arch));
  query.costs[0].budget = cheapest.costs[0];
  EXPECT_EQ(search_space(query).best.front().arch, cheapest.arch);
  query.costs[0].budget = cheapest.costs[0] - 1;
  EXPECT_THAT(search_space(query).best, ::testing::IsEmpty());
}

TEST(SpaceSearchTest, AFrontHasNoLimitOfThePeakMemory) {
  SpaceQuery query = query_with(Precision::kInt8);
  query.scores = query.costs[1].table;
  EXPECT_GT(pareto_front(query)->size(), 1u);
  query.max_peak_bytes = 1 << 20;
  EXPECT_THROW(pareto_front(query), ValueError);
}

}  // namespace
}  // namespace latgrad::search
