#include "latgrad/profile/axis_ticks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace latgrad::profile {
namespace {

using ::testing::DoubleNear;
using ::testing::Pointwise;

TEST(AxisTicksTest, NiceBelowIsOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_EQ(nice_below(1), 1);
  EXPECT_EQ(nice_below(1.99), 1);
  EXPECT_EQ(nice_below(2), 2);
  EXPECT_EQ(nice_below(49), 20);
  EXPECT_EQ(nice_below(50), 50);
  EXPECT_NEAR(nice_below(0.0072), 0.005, 1e-12);
}

TEST(AxisTicksTest, LinearTicksAreRoundAndWithinTheAxis) {
  EXPECT_THAT(linear_ticks(0, 7.3), Pointwise(DoubleNear(1e-9), std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_THAT(linear_ticks(-0.3, 0.3),
              Pointwise(DoubleNear(1e-9), std::vector<double>{-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3}));
  EXPECT_THAT(linear_ticks(0, 89, 2.5), Pointwise(DoubleNear(1e-9), std::vector<double>{0, 20, 40, 60, 80}));
  EXPECT_THAT(linear_ticks(101, 118, 2.5), Pointwise(DoubleNear(1e-9), std::vector<double>{105, 110, 115}));
}

}  // namespace
}  // namespace latgrad::profile
