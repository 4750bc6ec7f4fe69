#include "latgrad/lut/statistic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/lut/table.h"

namespace latgrad::lut {
namespace {

TEST(StatisticTest, IsReadAndPrinted) {
  std::vector<std::string> names;
  for (const Statistic statistic : kStatistics) {
    names.emplace_back(to_string(statistic));
    EXPECT_EQ(parse_statistic(names.back()), statistic);
  }
  EXPECT_THAT(names, testing::ElementsAre("p0", "p10", "p50", "p90", "p100", "mean"));
}

TEST(StatisticTest, UnknownNameListsThoseThatExist) {
  for (const std::string text : {"p99", "P50", "median", ""}) {
    LATGRAD_EXPECT_ERROR(
        parse_statistic(text), ValueError,
        testing::StrEq("a statistic must be p0, p10, p50, p90, p100 or mean, got \"" + text + "\""));
  }
}

double time_us(const Record& record, Statistic statistic) {
  return Table::from_records({record}, "made").time_us(0, statistic);
}

TEST(StatisticTest, TableGivesEachOfARecord) {
  const Record record{.p0_us = 90, .p10_us = 95, .p50_us = 100, .p90_us = 120, .p100_us = 200};
  EXPECT_EQ(time_us(record, Statistic::kP0), 90);
  EXPECT_EQ(time_us(record, Statistic::kP10), 95);
  EXPECT_EQ(time_us(record, Statistic::kP50), 100);
  EXPECT_EQ(time_us(record, Statistic::kP90), 120);
  EXPECT_EQ(time_us(record, Statistic::kP100), 200);
  // 4.5 + 23.75 + 40 + 30 + 10
  EXPECT_DOUBLE_EQ(time_us(record, Statistic::kMean), 108.25);
}

// The slow obvious twin: the quantile function at many equally likely levels.
TEST(StatisticTest, MeanIsThatOfTheLinesThroughThePercentiles) {
  const Record record{.p0_us = 3.1, .p10_us = 4.7, .p50_us = 5.9, .p90_us = 11.3, .p100_us = 64.5};
  const double levels[] = {0, 0.1, 0.5, 0.9, 1};
  const double times_us[] = {3.1, 4.7, 5.9, 11.3, 64.5};
  constexpr int kPoints = 100'000;
  double sum_us = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double level = (i + 0.5) / kPoints;
    int k = 0;
    while (level > levels[k + 1]) ++k;
    sum_us +=
        times_us[k] + (level - levels[k]) / (levels[k + 1] - levels[k]) * (times_us[k + 1] - times_us[k]);
  }
  EXPECT_NEAR(time_us(record, Statistic::kMean), sum_us / kPoints, 1e-6);
}

TEST(StatisticTest, MeanOfEqualTimesIsThatTimeToTheLastBit) {
  for (const double us : {0.0, 0.1, 1.0 / 3, 259.0, 1e300}) {
    const Record record{.p0_us = us, .p10_us = us, .p50_us = us, .p90_us = us, .p100_us = us};
    EXPECT_EQ(time_us(record, Statistic::kMean), us);
  }
}

TEST(StatisticTest, MeanNeitherOverflowsNorGoesNegative) {
  constexpr double kLargest = 1.7976931348623157e308;
  const Record large{.p50_us = 1, .p90_us = kLargest, .p100_us = kLargest};
  EXPECT_DOUBLE_EQ(time_us(large, Statistic::kMean), 0.3 * kLargest);
  const Record only_median{.p50_us = 10};  // as some tables are written
  EXPECT_DOUBLE_EQ(time_us(only_median, Statistic::kMean), 4);
}

}  // namespace
}  // namespace latgrad::lut
