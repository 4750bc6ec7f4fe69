#include "latgrad/base/json.h"

#include <gmock/gmock.h>

#include <cmath>

#include "expect_error.h"

namespace latgrad::base {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::StrEq;

TEST(JsonTextTest, KeepsTheOrderOfMembersAndOneLineWhereItFits) {
  Json document = {{"model", "a \"net\""}, {"us", 259.0}, {"ops", {{{"type", "Conv"}, {"known", true}}}}};
  document["empty"] = Json::object();
  document["names"] = Json::array();
  for (int i = 0; i < 3; ++i) document["names"].push_back(std::string(60, static_cast<char>('a' + i)));
  EXPECT_EQ(json_text(document), R"({
  "model": "a \"net\"",
  "us": 259.0,
  "ops": [{"type": "Conv", "known": true}],
  "empty": {},
  "names": [
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
  ]
}
)");
}

TEST(JsonTextTest, PutsAsManyNumbersOnALineAsFit) {
  const std::string text = json_text({{"numbers", std::vector<int>(60, 123456)}});
  EXPECT_THAT(text, StartsWith("{\n  \"numbers\": [\n    123456, 123456, "));
  EXPECT_EQ(std::ranges::count(text, '\n'), 4 + 4);
}

TEST(JsonTextTest, PrintsAScalarAndAnEmptyDocumentAsTheyAre) {
  EXPECT_EQ(json_text(3), "3\n");
  EXPECT_EQ(json_text(Json::object()), "{}\n");
  EXPECT_EQ(json_text({{"a", 1}}), "{\n  \"a\": 1\n}\n");
}

TEST(JsonLineTest, IsOneLine) {
  EXPECT_EQ(json_line({{"a", {1, 2}}, {"b", {{"c", nullptr}}}, {"d", Json::array()}}),
            R"({"a": [1, 2], "b": {"c": null}, "d": []})");
}

TEST(JsonLineTest, PrintsNumbersShortestAndNoneThatJsonLacks) {
  EXPECT_EQ(json_line({0.1, 1.0, -0.0, 1e300, 5e-324, 1.7976931348623157e308}),
            "[0.1, 1.0, -0.0, 1e+300, 5e-324, 1.7976931348623157e+308]");
  EXPECT_EQ(json_line({NAN, INFINITY, -INFINITY}), "[null, null, null]");
  EXPECT_EQ(json_line({INT64_MIN, UINT64_MAX, true}), "[-9223372036854775808, 18446744073709551615, true]");
  EXPECT_EQ(json_line({{"n", verbatim_json("984770902183611232881")}}), R"({"n": 984770902183611232881})");
}

TEST(JsonLineTest, RepairsTextThatIsNotUtf8) {
  EXPECT_EQ(json_line("a\xff\x01\xc3"), "\"a\xef\xbf\xbd\\u0001\xef\xbf\xbd\"");
  EXPECT_EQ(json_line({{"\xff", 1}}), "{\"\xef\xbf\xbd\": 1}");
}

TEST(JsonLineTest, OptionalValuesBecomeNull) {
  EXPECT_EQ(json_line({or_null(std::optional(2)), or_null(std::optional<std::string>())}), "[2, null]");
}

TEST(RoundedTest, HasSoManyDecimalsAndNoNegativeZero) {
  EXPECT_EQ(json_line({rounded(1.23456, 3), rounded(1234.5678, 1), rounded(-0.0001, 3), rounded(1e308, 3)}),
            "[1.235, 1234.6, 0.0, 1e+308]");
}

TEST(JsonDocumentTest, ReadsEveryTypeAsItWasWritten) {
  const std::string text =
      R"({"t": "é\n", "b": true, "n": 2.5, "i": -3, "u": 18446744073709551615, "l": [1, 2], )"
      R"("s": ["x"], "o": {"z": 1, "a": null}, "null": null})";
  const JsonDocument document("\xef\xbb\xbf" + text, "the file");
  const JsonValue root = document.root();
  EXPECT_EQ(root.at("t").text(), "\xc3\xa9\n");
  EXPECT_TRUE(root.at("b").boolean());
  EXPECT_EQ(root.at("n").number(), 2.5);
  EXPECT_EQ(root.at("i").number(), -3);
  EXPECT_EQ(root.at("i").integer(), -3);
  EXPECT_THAT(root.at("l").integers(), ElementsAre(1, 2));
  EXPECT_THAT(root.at("s").texts(), ElementsAre("x"));
  EXPECT_EQ(root.at("l").list()[1].integer(), 2);
  EXPECT_EQ(root.at("o").members()[0].first, "z");
  EXPECT_TRUE(root.at("o").members()[1].second.is_null());
  EXPECT_FALSE(root.find("null"));
  EXPECT_FALSE(root.find("absent"));
  EXPECT_EQ(json_line(root.json()), text);
}

TEST(JsonDocumentTest, TheFirstOfEqualNamesCounts) {
  EXPECT_EQ(JsonDocument(R"({"a": 1, "a": 2})", "x").root().at("a").integer(), 1);
}

void expect_malformed(std::string_view text, const std::string& message) {
  LATGRAD_EXPECT_ERROR(JsonDocument(text, "a query"), ParseError,
                       AllOf(StartsWith("a query must hold JSON: "), HasSubstr(message)));
}

TEST(JsonDocumentTest, RefusesWhatIsNotJson) {
  expect_malformed("", "unexpected end of input");
  expect_malformed("{", "unexpected end of input");
  expect_malformed("nonsense", "invalid literal");
  expect_malformed("[1, 2] 3", "unexpected number literal; expected end of input (byte 7)");
  expect_malformed("[NaN]", "invalid literal");
  expect_malformed("[1.]", "invalid number");
  expect_malformed("[1e999]", "number overflow");
  expect_malformed("{'a': 1}", "(byte 1)");
  expect_malformed("\"a\nb\"", "control character");
  expect_malformed("\"\xff\"", "ill-formed UTF-8");
  expect_malformed(R"("\ud800")", "surrogate");
  expect_malformed(std::string_view("[1\0]", 4), "(byte 2)");
  expect_malformed("[1,]", "unexpected ']'");
}

TEST(JsonDocumentTest, SaysTheLineOfAFile) {
  LATGRAD_EXPECT_ERROR(JsonDocument("{\n\"a\": nul\n}", "the file", {.file = "f"}), ParseError,
                       EndsWith(" (f, line 2)"));
  LATGRAD_EXPECT_ERROR(JsonDocument("{\n\n\n", "the file", {.file = "f"}), ParseError,
                       EndsWith(" (f, line 1)"));
  LATGRAD_EXPECT_ERROR(JsonDocument("{", "the file", {.file = "f", .line = 9}), ParseError,
                       EndsWith(" (f, line 9)"));
}

TEST(JsonDocumentTest, LimitsDepthAndMessages) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(json_line(JsonDocument(nested(kMaxJsonDepth), "x").root().json()), nested(kMaxJsonDepth));
  expect_malformed(nested(kMaxJsonDepth + 1), "nested deeper than 1024 levels (byte 1024)");
  expect_malformed(std::string(10'000'000, '['), "nested deeper than 1024 levels");
  std::string text = "\"";
  text += nested(5000);
  text += "\\\"[\"";
  EXPECT_EQ(JsonDocument(text, "x").root().text().size(), 10'002) << "brackets in text do not nest";
  try {
    JsonDocument(std::string(1'000'000, 'x'), "a query");
    FAIL();
  } catch (const ParseError& error) {
    EXPECT_LT(std::string(error.what()).size(), 400);
  }
}

TEST(JsonDocumentTest, ManyMembersTakeLinearTime) {
  std::string text = "{\"a0\": 0";
  for (int i = 1; i < 300'000; ++i) text += ", \"a" + std::to_string(i) + "\": 0";
  EXPECT_EQ(JsonDocument(text + "}", "x").root().members().size(), 300'000);
}

TEST(JsonDocumentTest, RefusesTooManyBytes) {
  // Nothing of it is read, so it need not be there.
  const std::string_view huge("[]", kMaxJsonBytes + 1);
  LATGRAD_EXPECT_ERROR(JsonDocument(huge, "a query"), ParseError,
                       StrEq("a query must have at most 268435456 bytes, got 268435457"));
}

TEST(JsonValueTest, NamesTheFieldOfAValueThatIsWrong) {
  const JsonDocument document(
      R"({"layers": [{"us": [1]}, {"us": ["é", 3.5, -1], "n": 18446744073709551615}]})", "the file",
      {.file = "f.json"});
  const JsonValue root = document.root();
  const JsonValue layer = root.at("layers").list()[1];
  LATGRAD_EXPECT_ERROR(layer.at("us").text(), ParseError,
                       StrEq("us must be text, got [\"é\", 3.5, -1] (f.json, field \"layers/1/us\")"));
  LATGRAD_EXPECT_ERROR(layer.at("us").list()[0].number(), ParseError,
                       StrEq("us must be a number, got \"é\" (f.json, field \"layers/1/us/0\")"));
  LATGRAD_EXPECT_ERROR(layer.at("us").list()[2].integer(0), ParseError,
                       HasSubstr("us must be an integer from 0, got -1"));
  LATGRAD_EXPECT_ERROR(layer.at("us").list()[1].integer(0, 9), ParseError,
                       HasSubstr("an integer from 0 to 9, got 3.5"));
  LATGRAD_EXPECT_ERROR(layer.at("n").integer(), ParseError,
                       HasSubstr("n must be an integer of 64 bits, got 18446744073709551615"));
  LATGRAD_EXPECT_ERROR(layer.at("us").texts(), ParseError, HasSubstr("us must be text, got 3.5"));
  LATGRAD_EXPECT_ERROR(layer.at("us").integers(), ParseError,
                       HasSubstr("us must be an integer of 64 bits, got \"é\""));
  LATGRAD_EXPECT_ERROR(layer.at("n").list(), ParseError, HasSubstr("n must be a list, got"));
  LATGRAD_EXPECT_ERROR(layer.at("n").boolean(), ParseError, HasSubstr("n must be true or false, got"));
  LATGRAD_EXPECT_ERROR(layer.at("n").at("x"), ParseError, HasSubstr("n must be an object, got"));
  LATGRAD_EXPECT_ERROR(layer.at("n").find("x"), ParseError, HasSubstr("n must be an object, got"));
  LATGRAD_EXPECT_ERROR(layer.at("n").members(), ParseError, HasSubstr("n must be an object, got"));
  LATGRAD_EXPECT_ERROR(layer.at("width"), ParseError,
                       StartsWith("layers must have the member width, got {\"us\": "));
  LATGRAD_EXPECT_ERROR(root.at("device"), ParseError,
                       StartsWith("the file must have the member device, got {"));
  LATGRAD_EXPECT_ERROR(JsonDocument("[1]", "a query").root().at("x"), ParseError,
                       StrEq("a query must be an object, got [1]"));
}

TEST(JsonValueTest, QuotesTheBeginningOfALongValueAndNoPartOfACharacter) {
  std::string long_text = "\"";
  for (int i = 0; i < 100; ++i) long_text += "é";
  const JsonDocument document(long_text + "\"", "a query");
  std::string quoted = "\"";
  for (int i = 0; i < 29; ++i) quoted += "é";
  LATGRAD_EXPECT_ERROR(document.root().boolean(), ParseError,
                       StrEq("a query must be true or false, got " + quoted + "..."));
}

}  // namespace
}  // namespace latgrad::base
