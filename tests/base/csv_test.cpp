#include "latgrad/base/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::base {
namespace {

using ::testing::ElementsAre;

TEST(CsvTest, CellsLoseTheSpaceAroundThem) {
  CsvReader csv(
      "\xEF\xBB\xBF"
      "arch, ms\r\n\n  01,2.5 \n",
      "t.csv");
  ASSERT_TRUE(csv.next());
  EXPECT_THAT(csv.cells(), ElementsAre("arch", "ms"));
  ASSERT_TRUE(csv.next());
  EXPECT_THAT(csv.cells(), ElementsAre("01", "2.5"));
  EXPECT_EQ(csv.line(), 3u);
  EXPECT_FALSE(csv.next());
}

TEST(CsvTest, QuotesHoldCommasAndQuotes) {
  CsvReader csv("\"k3_e1,skip\", 1\n\"say \"\"no\"\"\",\n,", "t.csv");
  ASSERT_TRUE(csv.next());
  EXPECT_THAT(csv.cells(), ElementsAre("k3_e1,skip", "1"));
  ASSERT_TRUE(csv.next());
  EXPECT_THAT(csv.cells(), ElementsAre("say \"no\"", ""));
  ASSERT_TRUE(csv.next());
  EXPECT_THAT(csv.cells(), ElementsAre("", ""));
}

TEST(CsvTest, WhatIsWrittenIsRead) {
  EXPECT_EQ(csv_cell("plain"), "plain");
  for (const char* text : {"a,b", "say \"no\"", "\"", ","}) {
    const std::string line = csv_cell(text);
    CsvReader csv(line, "t.csv");
    ASSERT_TRUE(csv.next());
    EXPECT_THAT(csv.cells(), ElementsAre(text));
  }
}

TEST(CsvTest, AnOpenQuoteIsAnErrorWithItsLine) {
  CsvReader csv("a\n\"b,1\n", "t.csv");
  csv.next();
  LATGRAD_EXPECT_ERROR(
      csv.next(), ParseError,
      ::testing::StrEq("a quoted value must end on its line, got no closing quote (t.csv, line 2)"));
}

}  // namespace
}  // namespace latgrad::base
