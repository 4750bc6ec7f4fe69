#include "latgrad/base/json_string.h"

#include <gtest/gtest.h>

namespace latgrad::base {
namespace {

TEST(JsonStringTest, EscapesWhatMustBe) {
  EXPECT_EQ(json_string("a\"b\\c\n\r\t\b\f\x01 \xc3\xa9"), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001 \xc3\xa9\"");
}

TEST(JsonStringTest, RepairsWhatIsNotUtf8) {
  EXPECT_EQ(json_string("\xff"
                        "a\xc3"),
            "\"\xef\xbf\xbd"
            "a\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace latgrad::base
