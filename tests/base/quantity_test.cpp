#include "latgrad/base/quantity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "latgrad/base/error.h"

namespace latgrad::base {
namespace {

TEST(QuantityTest, UnderstandsUnits) {
  EXPECT_EQ(parse_time_us("20ms"), 20'000);
  EXPECT_EQ(parse_time_us("20000us"), 20'000);
  EXPECT_EQ(parse_time_us("0.02 s"), 20'000);
  EXPECT_EQ(parse_bytes("2MB"), 2'000'000);
  EXPECT_EQ(parse_bytes("2MiB"), 2'097'152);
  EXPECT_EQ(parse_bytes("512 KiB"), 524'288);
  EXPECT_EQ(parse_bytes("7B"), 7);
  EXPECT_EQ(parse_count("300M"), 300'000'000);
  EXPECT_EQ(parse_count("0.3G"), 300'000'000);
  EXPECT_EQ(parse_count("4500"), 4500);
}

TEST(QuantityTest, RefusesWhatHasNoMeaning) {
  for (const char* text :
       {"", "20", "ms", "-1ms", "0ms", "20 m s", "20min", "nanms", "infms", "1e300s", "20ms "}) {
    EXPECT_THROW(parse_time_us(text), ValueError) << text;
  }
  for (const char* text : {"2", "2mb", "-2MB", "1e30GB"}) EXPECT_THROW(parse_bytes(text), ValueError) << text;
  for (const char* text : {"", "300Q", "-3", "M"}) EXPECT_THROW(parse_count(text), ValueError) << text;
  try {
    parse_time_us("20");
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "a time must be above 0 and have a unit, like 20ms or 20000us, got \"20\"");
  }
}

}  // namespace
}  // namespace latgrad::base
