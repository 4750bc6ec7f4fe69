#include "latgrad/search/plan_networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/search/calibration.h"

namespace latgrad::search {
namespace {

using ::testing::ElementsAre;
using Networks = std::vector<std::vector<uint32_t>>;

CalibrationData data_of(size_t operators, Networks typical) {
  CalibrationData data;
  data.physical.assign(operators, PhysicalTotals{1, 1e6, 0, 1e4, 1e3});
  data.typical = std::move(typical);
  return data;
}

TEST(PlanNetworksTest, WhatIsKnownIsNotAskedAgain) {
  // Behind a stem two layers of three candidates each.
  Networks all;
  for (uint32_t a = 1; a <= 3; ++a) {
    for (uint32_t b = 4; b <= 6; ++b) all.push_back({0, a, b});
  }
  const std::vector<size_t> chosen = plan_networks(data_of(7, all), all, 3);
  std::vector<int> seen(7, 0);
  for (const size_t i : chosen) {
    for (const uint32_t op : all[i]) ++seen[op];
  }
  EXPECT_THAT(seen, ElementsAre(3, 1, 1, 1, 1, 1, 1));  // three networks show each candidate once
}

TEST(PlanNetworksTest, TheFirstIsTheBestOfAll) {
  std::mt19937_64 random(1);
  Networks pool;
  for (int i = 0; i < 30; ++i) {
    std::vector<uint32_t> network = {0};
    for (uint32_t op = 1; op < 8; ++op) {
      if (random() % 2 == 0) network.push_back(op);
    }
    pool.push_back(std::move(network));
  }
  const CalibrationData data = data_of(8, pool);
  // The slow twin: the mean variance of typical networks after one measurement of each.
  const OperatorPosterior prior = prior_of(data);
  const auto covariance = [&](const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
    double sum = 0;
    for (const uint32_t i : a) {
      for (const uint32_t j : b) sum += prior.covariance_us2()[i * 8 + j];
    }
    return sum;
  };
  const auto gain = [&](const std::vector<uint32_t>& network) {
    const double noise = prior.noise() * prior.price(network).mean_us;
    double sum = 0;
    for (const std::vector<uint32_t>& typical : pool) {
      const double shared = covariance(typical, network);
      sum += shared * shared / (covariance(network, network) + noise * noise);
    }
    return sum;
  };
  const auto best = std::ranges::max_element(pool, {}, gain);
  EXPECT_EQ(plan_networks(data, pool, 1)[0], static_cast<size_t>(best - pool.begin()));
}

// Networks of any kind have no level that all share.
TEST(PlanNetworksTest, NetworksOfAnyKindArePlanned) {
  Networks pool;
  for (uint32_t op = 0; op < 6; ++op) pool.push_back({op, op, (op + 1) % 6});
  CalibrationData data = data_of(6, pool);
  data.of_one_space = false;
  EXPECT_GT(prior_of(data).price(pool[0]).mean_us, 0);
  std::vector<size_t> chosen = plan_networks(data, pool, 6);
  std::ranges::sort(chosen);
  EXPECT_THAT(chosen, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(PlanNetworksTest, WithoutTypicalNetworksThoseOfThePoolAre) {
  const Networks pool = {{0, 1}, {0, 2}, {0, 3}};
  EXPECT_EQ(plan_networks(data_of(4, {}), pool, 2), plan_networks(data_of(4, pool), pool, 2));
}

TEST(PlanNetworksTest, AnOperatorOutOfRangeIsRefused) {
  const Networks pool = {{0, 9}};
  LATGRAD_EXPECT_ERROR(plan_networks(data_of(4, {{0}}), pool, 1), ValueError,
                       ::testing::HasSubstr("an operator must be below 4, got 9"));
}

TEST(PlanNetworksTest, GivenOnesComeFirstAndNoMoreThanThereAre) {
  const Networks pool = {{0, 1}, {0, 2}, {0, 3}};
  const CalibrationData data = data_of(4, pool);
  EXPECT_THAT(plan_networks(data, pool, 2, 0, 2), ElementsAre(0, 1));
  EXPECT_EQ(plan_networks(data, pool, 10).size(), 3U);
  EXPECT_TRUE(plan_networks(data, {}, 10).empty());
}

}  // namespace
}  // namespace latgrad::search
