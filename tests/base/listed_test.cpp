#include "latgrad/base/listed.h"

#include <gtest/gtest.h>

namespace latgrad::base {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c", "d"};

TEST(ListedTest, SaysHowManyItLeavesOut) {
  EXPECT_EQ(listed({}, 2), "");
  EXPECT_EQ(listed({"a"}, 2), "a");
  EXPECT_EQ(listed(kNames, 4), "a, b, c, d");
  EXPECT_EQ(listed(kNames, 3), "a, b, c and 1 more");
}

TEST(ListedTest, GivesEachNameALine) {
  EXPECT_EQ(listed_lines({}, 2), "");
  EXPECT_EQ(listed_lines(kNames, 4), "  a\n  b\n  c\n  d\n");
  EXPECT_EQ(listed_lines(kNames, 2), "  a\n  b\n  and 2 more\n");
}

}  // namespace
}  // namespace latgrad::base
