#include "latgrad/search/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::search {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;

constexpr size_t kLayers = 8;
constexpr size_t kCandidates = 4;
constexpr size_t kOperators = 1 + kLayers * kCandidates;  // a stem, then candidates

// Operators with known times, networks of at most one candidate per layer behind a stem.
struct World {
  explicit World(uint64_t seed, double deviation = 0.1) : random(seed) {
    for (size_t op = 0; op < kOperators; ++op) {
      PhysicalTotals totals{};
      totals[kCalls] = 1;
      totals[op % 3 == 2 ? kDepthwiseMacs : kMacs] = uniform(1e6, 1e7);
      totals[kActivationBytes] = uniform(1e4, 1e5);
      data.physical.push_back(totals);
      const double line_us =
          20 + 3e-5 * totals[kMacs] + 1e-4 * totals[kDepthwiseMacs] + 1e-3 * totals[kActivationBytes];
      times_us.push_back(line_us * (1 + deviation * uniform(-1, 1)));
    }
    for (int i = 0; i < 100; ++i) data.typical.push_back(network());
  }

  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random() % 1'000'000) / 1e6;
  }

  std::vector<uint32_t> network() {
    std::vector<uint32_t> operators = {0};
    for (size_t layer = 0; layer < kLayers; ++layer) {
      if (random() % 4 == 0) continue;
      operators.push_back(static_cast<uint32_t>(1 + layer * kCandidates + random() % kCandidates));
    }
    return operators;
  }

  double true_us(const std::vector<uint32_t>& operators) const {
    double sum_us = 0;
    for (const uint32_t op : operators) sum_us += times_us[op];
    return sum_us;
  }

  void measure(int count, double noise) {
    for (int i = 0; i < count; ++i) {
      TimedNetwork one{network(), 0};
      one.time_us = true_us(one.operators) * (1 + noise * normal(random));
      data.networks.push_back(std::move(one));
    }
  }

  // Of networks that were not measured.
  double mape(const OperatorPosterior& posterior) {
    double error = 0;
    for (int i = 0; i < 300; ++i) {
      const std::vector<uint32_t> fresh = network();
      error += std::abs(posterior.price(fresh).mean_us / true_us(fresh) - 1) / 300;
    }
    return error;
  }

  std::mt19937_64 random;
  std::normal_distribution<double> normal;
  CalibrationData data;
  std::vector<double> times_us;
};

TEST(CalibrationTest, ManyExactNetworksGiveTheTimesOfAllSums) {
  World world(1);
  world.measure(400, 0);
  const Calibration calibration = calibrate(world.data);
  EXPECT_LT(world.mape(calibration.posterior), 1e-4);
  EXPECT_LT(calibration.posterior.noise(), 1e-3);
}

TEST(CalibrationTest, FewNetworksAreBetterThanTheirNumberOfUnknowns) {
  World world(2);
  world.measure(20, 0.01);
  EXPECT_LT(world.mape(calibrate(world.data).posterior), 0.03);  // of 33 unknowns
}

TEST(CalibrationTest, AnotherDeviceHelps) {
  World world(3, 0.5);
  world.measure(15, 0.01);
  const double alone = world.mape(calibrate(world.data).posterior);
  std::vector<double> source_us;
  for (const double time_us : world.times_us)
    source_us.push_back(3 * time_us * (1 + 0.02 * world.normal(world.random)));
  world.data.sources_us.push_back(std::move(source_us));
  EXPECT_LT(world.mape(calibrate(world.data).posterior), alone / 2);
}

// A table that was measured operator by operator, of which networks take 1.3 times as much and 15 us for each
// call.
TEST(CalibrationTest, WhatIsExpectedIsCorrected) {
  World world(31, 0.5);
  for (size_t op = 0; op < kOperators; ++op) {
    world.data.expected_us.push_back(world.times_us[op]);
    world.times_us[op] = 1.3 * world.times_us[op] + 15;
  }
  world.data.sources_us.push_back(world.data.expected_us);
  world.data.of_one_space = false;
  world.measure(5, 0.002);
  EXPECT_LT(world.mape(calibrate(world.data).posterior), 0.02);
}

TEST(CalibrationTest, WildTimesHardlyMatter) {
  World world(4);
  world.measure(40, 0.01);
  const double calm = world.mape(calibrate(world.data).posterior);
  for (size_t i = 0; i < world.data.networks.size(); i += 10) world.data.networks[i].time_us *= 3;
  EXPECT_LT(world.mape(calibrate(world.data).posterior), 2 * calm + 0.005);
}

TEST(CalibrationTest, IntervalsCover) {
  size_t inside = 0, left_out_inside = 0, left_out = 0, asked = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    World world(10 + seed);
    world.measure(25, 0.02);
    const Calibration calibration = calibrate(world.data);
    for (int i = 0; i < 100; ++i, ++asked) {
      const std::vector<uint32_t> fresh = world.network();
      const double time_us = world.true_us(fresh) * (1 + 0.02 * world.normal(world.random));
      const Interval price = calibration.posterior.price(fresh);
      inside += time_us >= price.low_us && time_us <= price.high_us;
    }
    for (size_t i = 0; i < world.data.networks.size(); ++i, ++left_out) {
      const double time_us = world.data.networks[i].time_us;
      left_out_inside +=
          time_us >= calibration.left_out[i].low_us && time_us <= calibration.left_out[i].high_us;
    }
  }
  EXPECT_GE(static_cast<double>(inside), 0.85 * static_cast<double>(asked));
  EXPECT_LE(static_cast<double>(inside), 0.97 * static_cast<double>(asked));
  EXPECT_GE(static_cast<double>(left_out_inside), 0.85 * static_cast<double>(left_out));
}

TEST(CalibrationTest, LeftOutTimesAreThoseOfACalibrationWithoutTheNetwork) {
  World world(5);
  world.measure(12, 0.02);
  const Calibration all = calibrate(world.data);
  for (size_t i = 0; i < world.data.networks.size(); ++i) {
    CalibrationData others = world.data;
    others.networks.erase(others.networks.begin() + static_cast<std::ptrdiff_t>(i));
    const double mean_us = calibrate(others).posterior.price(world.data.networks[i].operators).mean_us;
    EXPECT_NEAR(all.left_out[i].mean_us / mean_us, 1, 0.02) << i;
  }
}

TEST(CalibrationTest, TheOrderOfNetworksAndTheUnitDoNotMatter) {
  World world(6);
  world.measure(30, 0.02);
  const Calibration first = calibrate(world.data);
  CalibrationData other = world.data;
  std::ranges::reverse(other.networks);
  for (TimedNetwork& network : other.networks) network.time_us *= 1000;
  const Calibration second = calibrate(other);
  for (int i = 0; i < 50; ++i) {
    const std::vector<uint32_t> fresh = world.network();
    EXPECT_NEAR(second.posterior.price(fresh).mean_us / 1000 / first.posterior.price(fresh).mean_us, 1, 1e-6);
  }
  EXPECT_NEAR(second.left_out[0].high_us / 1000 / first.left_out.back().high_us, 1, 1e-6);
}

TEST(CalibrationTest, OneSeedGivesOneResult) {
  World world(7);
  world.measure(20, 0.02);
  EXPECT_EQ(calibrate(world.data, 3).posterior.times_us(), calibrate(world.data, 3).posterior.times_us());
  EXPECT_NE(calibrate(world.data, 3).posterior.times_us(), calibrate(world.data, 4).posterior.times_us());
}

TEST(CalibrationTest, NoTimeIsNegative) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    World world(20 + seed, 1.0);
    world.measure(15, 0.3);
    EXPECT_THAT(calibrate(world.data).posterior.times_us(), Each(Ge(0)));
  }
}

TEST(CalibrationTest, ACandidateNeverSeenHasAWideInterval) {
  World world(8);
  // Nothing with the first candidate of the first layer was measured.
  while (world.data.networks.size() < 60) {
    world.measure(1, 0.005);
    const std::vector<uint32_t>& operators = world.data.networks.back().operators;
    if (std::ranges::find(operators, 1u) != operators.end()) world.data.networks.pop_back();
  }
  const Calibration calibration = calibrate(world.data);
  std::vector<uint32_t> seen = {0, 2}, unseen = {0, 1};
  for (uint32_t layer = 1; layer < kLayers; ++layer) {
    seen.push_back(1 + layer * kCandidates);
    unseen.push_back(1 + layer * kCandidates);
  }
  EXPECT_GT(calibration.posterior.error_us(unseen), 1.5 * calibration.posterior.error_us(seen));
  const Interval price = calibration.posterior.price(unseen);
  EXPECT_LT(price.low_us, world.true_us(unseen));
  EXPECT_GT(price.high_us, world.true_us(unseen));
}

TEST(CalibrationTest, OneArchitectureAndEqualTimesAreCarried) {
  World world(9);
  world.measure(1, 0);
  for (int i = 0; i < 4; ++i) world.data.networks.push_back(world.data.networks[0]);
  const Calibration calibration = calibrate(world.data);
  const double time_us = world.data.networks[0].time_us;
  EXPECT_NEAR(calibration.posterior.price(world.data.networks[0].operators).mean_us / time_us, 1, 0.02);
  for (const double time : calibration.posterior.times_us()) EXPECT_TRUE(std::isfinite(time));
}

// Of others it says where they may be, and not that they are there.
TEST(CalibrationTest, OneMeasurementLeavesOthersOpen) {
  for (const int count : {1, 3}) {
    size_t inside = 0, asked = 0;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      World world(50 + seed);
      world.measure(1, 0);
      for (int i = 1; i < count; ++i) world.data.networks.push_back(world.data.networks[0]);
      const Calibration calibration = calibrate(world.data);
      for (int i = 0; i < 20; ++i, ++asked) {
        const std::vector<uint32_t> fresh = world.network();
        const Interval price = calibration.posterior.price(fresh);
        inside += world.true_us(fresh) >= price.low_us && world.true_us(fresh) <= price.high_us;
      }
    }
    EXPECT_GE(static_cast<double>(inside), 0.8 * static_cast<double>(asked)) << count;
  }
}

TEST(CalibrationTest, TimesBelowAMicrosecondAreNotRounded) {
  CalibrationData data{.physical = std::vector<PhysicalTotals>(3, PhysicalTotals{1, 1e6, 0, 1e4, 0}),
                       .of_one_space = false};
  for (uint32_t op = 0; op < 3; ++op) data.networks.push_back({{op}, 0.2 * (op + 1)});
  const Calibration calibration = calibrate(data);
  EXPECT_LT(calibration.posterior.noise(), 1);
  EXPECT_GT(calibration.posterior.times_us()[2], 0.2);
}

TEST(CalibrationTest, WholeMillisecondsAreTakenAsRounded) {
  World world(11);
  world.measure(40, 0);
  // About 1 to 3 ms: half a step is up to a quarter of the time.
  for (TimedNetwork& network : world.data.networks) {
    network.time_us = std::max(1000.0, std::round(network.time_us / 1000) * 1000);
  }
  const Calibration calibration = calibrate(world.data);
  EXPECT_GT(calibration.posterior.noise(), 0.05);
  EXPECT_LT(world.mape(calibration.posterior), 0.12);
}

TEST(CalibrationTest, NetworksWithoutACommonOperatorHaveRelativeErrors) {
  World world(12);
  world.measure(60, 0.02);
  for (size_t i = 0; i < world.data.networks.size(); i += 2) {
    std::vector<uint32_t>& operators = world.data.networks[i].operators;
    operators.erase(operators.begin());  // the stem
    operators.resize(1 + i % 3);         // and small: a tenth of the others' time
    world.data.networks[i].time_us = world.true_us(operators) * (1 + 0.02 * world.normal(world.random));
  }
  const OperatorPosterior posterior = calibrate(world.data).posterior;
  double small = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<uint32_t> fresh = world.network();
    if (fresh.size() < 3) continue;
    fresh.erase(fresh.begin());
    fresh.resize(2);
    small = std::max(small, std::abs(posterior.price(fresh).mean_us / world.true_us(fresh) - 1));
  }
  EXPECT_LT(small, 0.25);
  EXPECT_LT(world.mape(posterior), 0.03);
}

TEST(CalibrationTest, AHundredThousandNetworksAreCarried) {
  World world(13);
  world.measure(100'000, 0.05);
  EXPECT_LT(world.mape(calibrate(world.data).posterior), 0.002);
}

TEST(CalibrationTest, WhatIsNoDataIsRefused) {
  World world(14);
  world.measure(5, 0.01);
  const auto expect = [&](const std::string& message, const auto& change) {
    CalibrationData data = world.data;
    change(data);
    LATGRAD_EXPECT_ERROR(calibrate(data), ValueError, HasSubstr(message));
  };
  expect("there must be a measured network", [](CalibrationData& data) { data.networks.clear(); });
  expect("there must be an operator", [](CalibrationData& data) { data.physical.clear(); });
  expect("must be positive and finite, got 0", [](CalibrationData& data) { data.networks[2].time_us = 0; });
  expect("must be positive and finite, got nan",
         [](CalibrationData& data) { data.networks[2].time_us = std::nan(""); });
  expect("an operator must be below 33, got 33",
         [](CalibrationData& data) { data.networks[0].operators.push_back(33); });
  expect("an operator must be below 33, got 40",
         [](CalibrationData& data) { data.typical[0].push_back(40); });
  expect("a source must have a time for each of 33 operators, got 2", [](CalibrationData& data) {
    data.sources_us.push_back({1, 2});
  });
  expect("times of a source must be finite and not negative",
         [](CalibrationData& data) { data.sources_us.push_back(std::vector<double>(kOperators, -1)); });
  expect("each of 33 operators must have an expected time, got 1",
         [](CalibrationData& data) { data.expected_us.push_back(1); });
  expect("physical totals must be finite and not negative",
         [](CalibrationData& data) { data.physical[3][kMacs] = std::numeric_limits<double>::infinity(); });
}

}  // namespace
}  // namespace latgrad::search
