#include "latgrad/profile/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latgrad::profile {
namespace {

using ::testing::DoubleEq;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TimesTest, AVisitIsOneValueOfTheInterval) {
  Times times;
  for (double visit : {100, 101, 99, 102, 98, 100}) {
    EXPECT_FALSE(times.relative_error());
    times.add({visit, visit, 500});  // one sample in three is an outlier, the visit's median is not
  }
  ASSERT_TRUE(times.relative_error());
  EXPECT_DOUBLE_EQ(*times.relative_error(), 0.02);  // (102 - 98) / 2 / 100
  EXPECT_EQ(times.visits(), 6u);
  EXPECT_EQ(times.samples_us().size(), 18u);
}

TEST(TimesTest, AnOperatorThatTakesNoTimeIsKnownExactly) {
  Times times;
  for (int visit = 0; visit < 6; ++visit) times.add({0});
  EXPECT_EQ(times.relative_error(), 0);
}

// A visit of two operators, of 10 and 20 us, on a machine that is slower by a factor.
std::vector<OperatorSamples> visit_slower_by(double factor) {
  return {{0, {10 * factor}}, {1, {20 * factor}}};
}

TEST(SamplesTest, AVisitThatIsSlowerThanTheFastOnesDoesNotCount) {
  Samples samples(2, 0.05);
  for (double factor : {1.0, 1.4, 1.01, 1.04, 1.38, 1.0}) samples.add_visit(visit_slower_by(factor));
  EXPECT_THAT(samples.times()[0].samples_us(), ElementsAre(10, 10.1, 10.4, 10));
  EXPECT_THAT(samples.times()[1].samples_us(), ElementsAre(20, 20.2, 20.8, 20));
  EXPECT_EQ(samples.all_times()[0].visits(), 6u);
  EXPECT_EQ(samples.discarded_visits(), 2u);
  EXPECT_THAT(samples.slowdowns(), ElementsAre(DoubleEq(1), DoubleEq(1.4), DoubleEq(1.01), DoubleEq(1.04),
                                               DoubleEq(1.38), DoubleEq(1)));
}

TEST(SamplesTest, OnAMachineThatIsMostlyDisturbedItsFastMomentsCount) {
  Samples samples(2, 0.05);
  for (int i = 0; i < 70; ++i) samples.add_visit(visit_slower_by(1.4));
  for (int i = 0; i < 30; ++i) samples.add_visit(visit_slower_by(1));
  EXPECT_THAT(samples.times()[0].samples_us(), ::testing::SizeIs(30));
  EXPECT_THAT(samples.times()[0].samples_us(), Each(10));
}

TEST(SamplesTest, AShortFastBeginningDoesNotCount) {
  Samples samples(2, 0.05);
  for (int i = 0; i < 10; ++i) samples.add_visit(visit_slower_by(1));
  for (int i = 0; i < 90; ++i) samples.add_visit(visit_slower_by(1.4));
  EXPECT_THAT(samples.times()[0].samples_us(), Each(14));
}

TEST(SamplesTest, VisitsOfDifferentNetworksAreComparedByTheOperatorsTheyShare) {
  Samples samples(3, 0.05);
  samples.add_visit({{0, {10}}, {1, {20}}});
  samples.add_visit({{1, {28}}, {2, {42}}});  // disturbed, as operator 1 tells
  for (int i = 0; i < 4; ++i) samples.add_visit({{1, {20}}, {2, {30}}});
  EXPECT_THAT(samples.times()[2].samples_us(), ElementsAre(30, 30, 30, 30));
  EXPECT_EQ(samples.discarded_visits(), 1u);
}

TEST(SamplesTest, OneOperatorThatVariesIsNoDrift) {
  Samples samples(3, 0.05);
  for (double varying : {10, 15, 12, 18, 11}) samples.add_visit({{0, {varying}}, {1, {20}}, {2, {30}}});
  EXPECT_THAT(samples.times()[0].samples_us(), ElementsAre(10, 15, 12, 18, 11));
}

TEST(SamplesTest, WhatTakesNoTimeCounts) {
  Samples samples(2, 0.05);
  EXPECT_THAT(samples.slowdowns(), IsEmpty());
  samples.add_visit({{1, {0, 0}}});
  EXPECT_THAT(samples.times()[0].samples_us(), IsEmpty());
  EXPECT_THAT(samples.times()[1].samples_us(), ElementsAre(0, 0));
}

}  // namespace
}  // namespace latgrad::profile
