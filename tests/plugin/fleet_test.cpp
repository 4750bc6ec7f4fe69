// The fleet operators as C++ calls them. Their numerics are tested from Python, in tests/python.

#include "latgrad/plugin/fleet.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace latgrad {
namespace {

TEST(FleetSumTest, WeighsEachDevice) {
  const auto latency_us = torch::tensor({{1000.0, 3000.0}, {10.0, 20.0}});
  EXPECT_TRUE(torch::equal(fleet_sum(latency_us), torch::tensor({4000.0, 30.0})));
  EXPECT_TRUE(torch::equal(fleet_sum(latency_us, torch::tensor({0.5, 0.25})), torch::tensor({1250.0, 10.0})));
}

TEST(FleetMaxTest, IsTheSlowestDevice) {
  EXPECT_EQ(fleet_max(torch::tensor({1000.0, 3000.0, 2000.0})).item<double>(), 3000);
}

TEST(FleetSmoothMaxTest, AddsTheLogarithmOfTheNumberOfEqualDevices) {
  EXPECT_NEAR(fleet_smooth_max(torch::tensor({5.0, 5.0, 5.0}, torch::kDouble), 100).item<double>(),
              5 + 100 * std::log(3.0), 1e-12);
}

}  // namespace
}  // namespace latgrad
