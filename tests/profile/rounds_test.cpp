#include "latgrad/profile/rounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::profile {
namespace {

using ::testing::ElementsAre;

constexpr double kSpent = 1e-9;  // a budget that is over at once

// As many visits with the same time: settled from six on.
Times visited(int visits) {
  Times times;
  for (int i = 0; i < visits; ++i) times.add({100});
  return times;
}

TEST(RoundsTest, VisitWhatIsNotSettledAndCanRun) {
  const RoundOptions options;
  Rounds rounds(options);
  ASSERT_TRUE(
      rounds.begin(std::vector{visited(0), visited(5), visited(6), visited(0)}, {true, true, true, false}));
  EXPECT_THAT(rounds.unsettled(), ElementsAre(true, true, false, false));
  EXPECT_EQ(rounds.settled(), 2u);
  EXPECT_EQ(rounds.done(), 0u);
  EXPECT_FALSE(
      rounds.begin(std::vector{visited(6), visited(6), visited(6), visited(0)}, {true, true, true, false}));
  EXPECT_EQ(rounds.done(), 1u);
}

TEST(RoundsTest, NothingToMeasureIsNoRound) {
  const RoundOptions options;
  Rounds rounds(options);
  EXPECT_FALSE(rounds.begin({}, {}));
  EXPECT_EQ(rounds.done(), 0u);
}

TEST(RoundsTest, TheFirstIsFinishedWhateverTheBudget) {
  const RoundOptions options{.budget_s = kSpent};
  Rounds rounds(options);
  ASSERT_TRUE(rounds.begin(std::vector{visited(0)}, {true}));
  EXPECT_TRUE(rounds.has_time());
  EXPECT_FALSE(rounds.budget_spent());
  ASSERT_TRUE(rounds.begin(std::vector{visited(1)}, {true}));
  EXPECT_FALSE(rounds.has_time());
  EXPECT_TRUE(rounds.budget_spent());
  EXPECT_FALSE(rounds.begin(std::vector{visited(1)}, {true}));
  EXPECT_EQ(rounds.done(), 1u);  // the second was not finished
}

TEST(RoundsTest, TellWhatIsLeftFromTheSecondOnAndAtMostTheBudget) {
  const RoundOptions generous{.budget_s = 1e6};
  Rounds rounds(generous);
  rounds.begin(std::vector{visited(0)}, {true});
  EXPECT_EQ(rounds.left_s(), std::nullopt);
  rounds.begin(std::vector{visited(1)}, {true});
  EXPECT_GT(rounds.left_s(), 0);
  EXPECT_LT(rounds.left_s(), 10);
  const RoundOptions spent{.budget_s = kSpent};
  Rounds late(spent);
  late.begin(std::vector{visited(0)}, {true});
  late.begin(std::vector{visited(1)}, {true});
  EXPECT_EQ(late.left_s(), 0);
}

TEST(RoundsTest, EndWhereAMedianCannotSettle) {
  const RoundOptions options;
  Rounds rounds(options);
  while (rounds.begin(std::vector{visited(1)}, {true})) {
  }
  EXPECT_EQ(rounds.done(), 1000u);
}

TEST(RoundOptionsTest, AreChecked) {
  auto expect = [](RoundOptions options, const char* message) {
    LATGRAD_EXPECT_ERROR(check(options), ValueError, ::testing::StrEq(message));
  };
  expect({.warmup = -1}, "warmup must not be negative, got -1");
  expect({.samples_per_visit = 0}, "samples per visit must be at least 1, got 0");
  expect({.target = 0}, "target must be positive, got 0");
  expect({.budget_s = -1}, "budget must be positive, got -1");
  expect({.flank_tolerance = 0}, "flank tolerance must be positive, got 0");
}

}  // namespace
}  // namespace latgrad::profile
