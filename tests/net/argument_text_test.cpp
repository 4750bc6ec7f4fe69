#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"

namespace latgrad::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ArgumentTextTest, PrintsAsLutRecordsHoldIt) {
  EXPECT_EQ(argument_text(Argument::of_int("kernel", 3)), "name: \"kernel\"\ni: 3\n");
  EXPECT_EQ(argument_text(Argument::of_string("order", "NHWC")), "name: \"order\"\ns: \"NHWC\"\n");
  EXPECT_EQ(argument_text(Argument::of_float("Y_scale", 0.5f)), "name: \"Y_scale\"\nf: 0.5\n");
  EXPECT_EQ(argument_text(Argument::of_int("pad", -1)), "name: \"pad\"\ni: -1\n");
}

TEST(ArgumentTextTest, PrintsListsOneValueALine) {
  Argument arg;
  arg.name = "kernels";
  arg.ints = {3, 5};
  EXPECT_EQ(argument_text(arg), "name: \"kernels\"\nints: 3\nints: 5\n");
}

TEST(ArgumentTextTest, EscapesBytes) {
  EXPECT_EQ(argument_text(Argument::of_string("s", std::string("a\"\n\0\xff", 5))),
            "name: \"s\"\ns: \"a\\\"\\n\\000\\377\"\n");
}

TEST(ArgumentTextTest, ParsesWhatItPrints) {
  Argument arg;
  arg.name = "all";
  arg.f = 0.1f;
  arg.i = INT64_MIN;
  arg.s = std::string("\0\x80", 2);
  arg.floats = {1.5f, -0.0f, 3.4e38f};
  arg.ints = {0, -1, INT64_MAX};
  arg.strings = {"", "x"};
  EXPECT_EQ(parse_argument_text(argument_text(arg)), arg);
}

TEST(ArgumentTextTest, PassesOverUnknownFields) {
  EXPECT_EQ(parse_argument_text("name: \"k\"\nfuture: 7\nthing { op { type: \"Conv\" } }\ni: 3\n"),
            Argument::of_int("k", 3));
}

TEST(ArgumentTextTest, HoldsNetworks) {
  const Argument arg = parse_argument_text("name: \"else_net\"\nn { op { type: \"Relu\" } }\n");
  ASSERT_EQ(arg.nets.size(), 1);
  EXPECT_EQ(arg.nets[0].ops[0].type, "Relu");
  EXPECT_EQ(parse_argument_text(argument_text(arg)), arg);
}

TEST(ArgumentTextTest, NamesTheLineOfAnError) {
  LATGRAD_EXPECT_ERROR(parse_argument_text("name: \"k\"\ni: three\n"), ParseError,
                       AllOf(HasSubstr("Argument text is malformed"), HasSubstr("line 2")));
  LATGRAD_EXPECT_ERROR(parse_argument_text("name: \"k"), ParseError, HasSubstr("line 1"));
}

}  // namespace
}  // namespace latgrad::net
