#include "expression.h"

#include <gmock/gmock.h>

#include <string>

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::search::internal {
namespace {

using testing::HasSubstr;

const Variables kVariables = {{"in_channels", 24}, {"stride", 2}};

TEST(ExpressionTest, NumbersVariablesAndPrecedence) {
  EXPECT_EQ(evaluate("7", {}), 7);
  EXPECT_EQ(evaluate(" in_channels * 3 + 1 ", kVariables), 73);
  EXPECT_EQ(evaluate("in_channels*(3+1)", kVariables), 96);
  EXPECT_EQ(evaluate("10 - 2 - 3", {}), 5);
  EXPECT_EQ(evaluate("-stride + 3", kVariables), 1);
  EXPECT_EQ(evaluate("100 / 3 / 2", {}), 16);
}

TEST(ExpressionTest, QuotientsAreRoundedDown) {
  EXPECT_EQ(evaluate("7 / 2", {}), 3);
  EXPECT_EQ(evaluate("-7 / 2", {}), -4);
  EXPECT_EQ(evaluate("-7 % 2", {}), 1);
  EXPECT_EQ(evaluate("(7 + 2 - 1) / 2", {}), 4);
}

TEST(ExpressionTest, WhatIsNoExpressionIsRefused) {
  const auto refused = [](const std::string& text, const std::string& message) {
    LATGRAD_EXPECT_ERROR(evaluate(text, kVariables), ValueError, HasSubstr(message));
  };
  refused("", "a number, a name or ( at character 1");
  refused("2 +", "a number, a name or ( at character 4");
  refused("(2", ") at character 3");
  refused("2 3", "an operator at character 3");
  refused("2.5", "an operator at character 2");
  refused("channels", "may name in_channels, stride, got \"channels\"");
  refused("3x", "whole numbers, got \"3x\"");
  refused("1 / (stride - 2)", "divide by 0");
  refused("1099511627776 * 1099511627776", "below 2^40");
  refused("1099511627776 + 1", "below 2^40");
  refused("99999999999999999999", "whole numbers");
  refused(std::string(300, '('), "at most 256 characters");
}

}  // namespace
}  // namespace latgrad::search::internal
