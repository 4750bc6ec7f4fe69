#include "latgrad/profile/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latgrad::profile {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TimesTest, AVisitIsOneValueOfTheInterval) {
  Times times;
  for (double visit : {100, 101, 99, 102, 98, 100}) {
    EXPECT_FALSE(times.relative_error());
    times.add({visit - 1, visit + 1, visit});
  }
  ASSERT_TRUE(times.relative_error());
  EXPECT_DOUBLE_EQ(*times.relative_error(), 0.02);  // (102 - 98) / 2 / 100
  EXPECT_EQ(times.visits(), 6u);
  EXPECT_EQ(times.samples_us().size(), 18u);
}

TEST(TimesTest, TheCentreOfTheSamplesStandsForTheMedian) {
  Times times;
  for (int visit = 0; visit < 8; ++visit) times.add({10, 12, 17});
  EXPECT_NEAR(times.typical_us(), 12.5, 1);  // of 10 to 17 in pairs
  EXPECT_EQ(times.centre().value_us, 13);    // as a network
  EXPECT_EQ(times.percentiles(1).p10_us, 10);
  EXPECT_EQ(times.percentiles(1).p50_us, times.typical_us());
  EXPECT_NEAR(times.percentiles(1.02).p50_us, 1.02 * times.typical_us(), 1e-3);
  EXPECT_EQ(times.percentiles(2).p50_us, times.percentiles(2).p90_us);  // which gives way
  EXPECT_EQ(Times().typical_us(), 0);
}

TEST(TimesTest, AnOperatorThatTakesNoTimeIsKnownExactly) {
  Times times;
  for (int visit = 0; visit < 6; ++visit) times.add({0});
  EXPECT_EQ(times.relative_error(), 0);
}

// Two operators of 10 and 20 us around which the reference takes 100 us, on a machine that is slower by a
// factor, before and after.
VisitSamples visit(double before, double after) {
  const double factor = (before + after) / 2;
  return {.operators = {{0, {10 * factor}}, {1, {20 * factor}}}, .flanks = {{100 * before, 100 * after}}};
}

TEST(SamplesTest, TimesAreRatiosToTheReferenceAroundThem) {
  Samples samples(2, {});
  for (double factor : {1.0, 1.4, 1.0, 2.0}) samples.add_visit(visit(factor, factor));
  EXPECT_DOUBLE_EQ(samples.undisturbed_us(), 100);
  EXPECT_THAT(samples.times()[0].samples_us(), Each(DoubleNear(10, 1e-9)));
  EXPECT_THAT(samples.times()[1].samples_us(), Each(DoubleNear(20, 1e-9)));
  EXPECT_THAT(samples.slowdowns(), ElementsAre(1, DoubleEq(1.4), 1, DoubleEq(2)));
  EXPECT_EQ(samples.samples(), 4u);
  EXPECT_EQ(samples.discarded_samples(), 0u);
}

TEST(SamplesTest, ASampleUnderWhichTheSpeedChangedDoesNotCount) {
  Samples samples(2, {.flank_tolerance = 0.2});
  for (int i = 0; i < 4; ++i) samples.add_visit(visit(1, 1));
  samples.add_visit(visit(1, 1.19));
  samples.add_visit(visit(1, 1.6));
  samples.add_visit(visit(1.6, 1));
  EXPECT_EQ(samples.times()[0].visits(), 5u);
  EXPECT_EQ(samples.all_times()[0].visits(), 7u);
  EXPECT_EQ(samples.discarded_samples(), 2u);
}

TEST(SamplesTest, AShortReferenceVariesByItself) {
  Samples samples(2, {.flank_tolerance = 0.2});
  for (int i = 0; i < 9; ++i) samples.add_visit(visit(1, 1.15));
  samples.add_visit(visit(1, 1.5));
  EXPECT_NEAR(samples.flank_tolerance(), 4 * 0.15 / 1.075, 1e-9);
  EXPECT_EQ(samples.discarded_samples(), 0u);
}

TEST(SamplesTest, OfAMachineThatIsMostlyDisturbedTheFastMomentsSayWhatItIs) {
  Samples samples(2, {});
  for (int i = 0; i < 85; ++i) samples.add_visit(visit(1.4, 1.4));
  for (int i = 0; i < 15; ++i) samples.add_visit(visit(1, 1));
  EXPECT_DOUBLE_EQ(samples.undisturbed_us(), 100);
  EXPECT_NEAR(*samples.unsteadiness(), 0.4 / 1.4, 1e-9);
  EXPECT_THAT(samples.times()[0].samples_us(), Each(DoubleNear(10, 1e-9)));
}

TEST(SamplesTest, ATableThatIsExtendedSaysWhatTheReferenceTakes) {
  Samples samples(2, {.reference_us = 50});
  samples.add_visit(visit(1.2, 1.2));
  EXPECT_DOUBLE_EQ(samples.reference_us(), 50);
  EXPECT_DOUBLE_EQ(samples.undisturbed_us(), 120);
  EXPECT_THAT(samples.times()[1].samples_us(), ElementsAre(DoubleEq(10)));  // half of what it takes here
}

TEST(SamplesTest, EachPlaceOfAnOperatorHasTheSamplesOfAllRuns) {
  Samples samples(1, {});
  samples.add_visit({.operators = {{0, {10, 20, 30, 60}}}, .flanks = {{100, 100}, {200, 200}}});
  EXPECT_DOUBLE_EQ(samples.undisturbed_us(), 110);  // the 10th percentile
  EXPECT_THAT(samples.times()[0].samples_us(),
              ElementsAre(DoubleEq(11), DoubleEq(11), DoubleEq(33), DoubleEq(33)));
}

// Ten operators of 10 us; in every run one of them is interrupted for 5 us, each time another one.
TEST(SamplesTest, NetworksTakeLongerThanTheirOperatorsTypicallyDo) {
  Samples samples(10, {});
  for (size_t run = 0; run < 100; ++run) {
    VisitSamples visit{.operators = {}, .flanks = {{100, 100}}};
    for (size_t op = 0; op < 10; ++op) visit.operators.push_back({op, {op == run % 10 ? 15.0 : 10.0}});
    samples.add_visit(std::move(visit));
  }
  EXPECT_EQ(samples.times()[3].typical_us(), 10);
  EXPECT_DOUBLE_EQ(samples.burst_factor(), 1.05);
  EXPECT_EQ(Samples(10, {}).burst_factor(), 1);
}

TEST(SamplesTest, WithoutAReferenceTimesCountAsTheyAre) {
  Samples samples(2, {});
  EXPECT_THAT(samples.slowdowns(), IsEmpty());
  EXPECT_FALSE(samples.unsteadiness());
  samples.add_visit({.operators = {{1, {0, 7}}}});
  samples.add_visit({.operators = {{1, {5}}}, .flanks = {{0, 0}}});  // it cannot run
  EXPECT_THAT(samples.times()[0].samples_us(), IsEmpty());
  EXPECT_THAT(samples.times()[1].samples_us(), ElementsAre(0, 7, 5));
  EXPECT_EQ(samples.undisturbed_us(), 0);
  EXPECT_THAT(samples.slowdowns(), ElementsAre(1, 1));
}

}  // namespace
}  // namespace latgrad::profile
