// Durations and percentages as people write them.

#include <string>

#include "expect_error.h"
#include "latgrad/base/duration.h"
#include "latgrad/base/error.h"
#include "latgrad/base/percentage.h"

namespace latgrad::base {
namespace {

TEST(DurationTest, ReadsUnits) {
  EXPECT_EQ(parse_duration_s("90"), 90);
  EXPECT_EQ(parse_duration_s("90s"), 90);
  EXPECT_EQ(parse_duration_s("3m"), 180);
  EXPECT_EQ(parse_duration_s("1.5m"), 90);
  EXPECT_EQ(parse_duration_s("1h30m"), 5400);
  EXPECT_EQ(parse_duration_s("1h2m3s"), 3723);
}

TEST(DurationTest, RefusesWhatIsNoDuration) {
  for (const char* text :
       {"", "m", "-3m", "0", "0s", "3x", "3m4", "3s1m", "3m3m", "inf", "nan", "1e3", "3 m", "1h-2m"}) {
    LATGRAD_EXPECT_ERROR(
        parse_duration_s(text), ValueError,
        std::string("a duration must be like 90s, 3m or 1h30m and positive, got \"") + text + "\"");
  }
}

TEST(DurationTest, IsPrintedInItsOwnSize) {
  EXPECT_EQ(format_duration(0.4), "0 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(125), "2 min 05 s");
  EXPECT_EQ(format_duration(5400), "1 h 30 min");
}

TEST(PercentageTest, ReadsWithAndWithoutTheSign) {
  EXPECT_DOUBLE_EQ(parse_percentage("2"), 0.02);
  EXPECT_DOUBLE_EQ(parse_percentage("0.5%"), 0.005);
  EXPECT_DOUBLE_EQ(parse_percentage("100 %"), 1);
}

TEST(PercentageTest, RefusesWhatIsNone) {
  for (const char* text : {"", "%", "0", "-1", "101", "nan", "2 percent", "2%%"}) {
    LATGRAD_EXPECT_ERROR(parse_percentage(text), ValueError,
                         std::string("a percentage must be like 2% and above 0, got \"") + text + "\"");
  }
}

}  // namespace
}  // namespace latgrad::base
