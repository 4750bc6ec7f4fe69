#include "latgrad/lut/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/lut/record_json.h"
#include "lut/archive_builder.h"
#include "shared_data.h"

namespace latgrad::lut {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StrEq;

constexpr const char* kConvLine =
    R"({"op_type": "Conv", "op_args": ["name: \"kernel\"\ni: 3\n", "name: \"stride\"\ni: 2\n"], )"
    R"("input_shapes": [[1, 3, 224, 224], [32, 3, 3, 3], [32]], "input_dtypes": [1, 1, 1], )"
    R"("runtime_us_p0": 1.5, "runtime_us_p10": 2.25, "runtime_us_p50": 259.0, "runtime_us_p90": 300, )"
    R"("runtime_us_p100": 1e3, "device": "phone"})";

// A line of JSON whose other fields do not matter.
std::string line(const std::string& op_type, const std::string& p50, const std::string& device = "phone",
                 const std::string& op_args = "", const std::string& shapes = "[1, 8]") {
  return R"({"op_type": ")" + op_type + R"(", "op_args": [)" + op_args + R"(], "input_shapes": [)" + shapes +
         R"(], "input_dtypes": [1], "runtime_us_p0": 0, "runtime_us_p10": 0, "runtime_us_p50": )" + p50 +
         R"(, "runtime_us_p90": 0, "runtime_us_p100": 0, "device": ")" + device + "\"}\n";
}

OperatorKey key(const std::string& op_type, std::vector<net::Argument> args = {}) {
  return {op_type, std::move(args), {{1, 8}}, {net::DataType::kFloat}};
}

Table parse(const std::string& text) { return Table::parse(text, "lut.json"); }

// Type, message and line of the error that reading the text gives.
void expect_parse_error(const std::string& text, int64_t line_number, const std::string& field,
                        const std::string& message) {
  try {
    parse(text);
    ADD_FAILURE() << "no error for " << text;
  } catch (const ParseError& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
    EXPECT_EQ(error.place().file, "lut.json");
    EXPECT_EQ(error.place().line, line_number) << error.what();
    EXPECT_EQ(error.place().field, field) << error.what();
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(TableTest, ReadsEveryFieldOfALine) {
  const Table table = parse(kConvLine);
  ASSERT_EQ(table.size(), 1);
  const Record record = table.record(0);
  EXPECT_EQ(record.op_type, "Conv");
  EXPECT_THAT(record.op_args, ElementsAre("name: \"kernel\"\ni: 3\n", "name: \"stride\"\ni: 2\n"));
  EXPECT_THAT(record.input_shapes,
              ElementsAre(net::Shape{1, 3, 224, 224}, net::Shape{32, 3, 3, 3}, net::Shape{32}));
  EXPECT_THAT(record.input_dtypes,
              ElementsAre(net::DataType::kFloat, net::DataType::kFloat, net::DataType::kFloat));
  EXPECT_EQ(record.p0_us, 1.5);
  EXPECT_EQ(record.p10_us, 2.25);
  EXPECT_EQ(record.p50_us, 259);
  EXPECT_EQ(record.p90_us, 300);
  EXPECT_EQ(record.p100_us, 1000);
  EXPECT_FALSE(record.p50_is_integer);
  EXPECT_EQ(record.device, "phone");
  EXPECT_EQ(table.source(), "lut.json");
}

TEST(TableTest, ReadsLinesHoweverTheyEnd) {
  const std::string a = line("A", "1");
  const std::string b = line("B", "2");
  const std::string bare_b = b.substr(0, b.size() - 1);
  const std::string crlf = a.substr(0, a.size() - 1) + "\r\n";
  for (const std::string& text : {a + b, a + bare_b, "\n\n" + a + "  \t\n" + b + "\n\n", crlf + "\r\n" + b,
                                  "\xef\xbb\xbf" + a + b, a + bare_b + "   "}) {
    const Table table = parse(text);
    ASSERT_EQ(table.size(), 2) << text;
    EXPECT_EQ(table.record(0).op_type, "A");
    EXPECT_EQ(table.record(1).op_type, "B");
  }
}

TEST(TableTest, ReadsKeysInAnyOrderWithOthersBetween) {
  const Table table = parse(
      R"({"device":"d","extra":{"op_type":[1,{"x":"}"}]},"runtime_us_p100":5,"runtime_us_p90":4,"runtime_us_p50":3,)"
      R"("runtime_us_p10":2,"runtime_us_p0":1,"input_dtypes":[],"input_shapes":[],"op_args":[],"op\u005ftype":"Relu",)"
      R"("op_typ":null})");
  ASSERT_EQ(table.size(), 1);
  EXPECT_EQ(table.record(0).op_type, "Relu");
  EXPECT_EQ(table.record(0).p100_us, 5);
  EXPECT_TRUE(table.record(0).p50_is_integer);
}

TEST(TableTest, TakesTheLastOfARepeatedKey) {
  const Table table = parse(replaced(line("A", "1"), "\"device\"", "\"op_type\": \"B\", \"device\""));
  EXPECT_EQ(table.record(0).op_type, "B");
}

TEST(TableTest, ResolvesEscapesInStrings) {
  const Table table = parse(line("caf\\u00e9\\\\\\\"", "1", "d\\/\\ud83d\\ude00"));
  EXPECT_EQ(table.record(0).op_type, "caf\xc3\xa9\\\"");
  EXPECT_EQ(table.devices()[0], "d/\xf0\x9f\x98\x80");
}

TEST(TableTest, KeepsEmptyShapes) {
  const Table table = parse(line("A", "1", "phone", "", "[], [0, 4], []"));
  EXPECT_THAT(table.record(0).input_shapes, ElementsAre(net::Shape{}, net::Shape{0, 4}, net::Shape{}));
}

TEST(TableTest, KeepsTheLargestDimensions) {
  const Table table = parse(line("A", "1", "phone", "", "[9223372036854775807, 128, 127]"));
  EXPECT_THAT(table.record(0).input_shapes, ElementsAre(net::Shape{9223372036854775807, 128, 127}));
}

TEST(TableTest, AnEstimatedRecordHasAnError) {
  std::string estimated = line("Relu", "5");
  estimated.insert(estimated.size() - 2, ", \"runtime_us_error\": 1.5");
  const Table table = parse(estimated + line("Sigmoid", "6"));
  EXPECT_EQ(table.error_us(0), 1.5);
  EXPECT_EQ(table.error_us(1), std::nullopt);  // and not that of the line before
  EXPECT_EQ(table.record(0).error_us, 1.5);
  const std::string written = record_json(table.record(0));
  EXPECT_THAT(written, HasSubstr("\"runtime_us_error\": 1.5}"));
  EXPECT_EQ(parse(written + "\n").record(0), table.record(0));
  EXPECT_THAT(record_json(table.record(1)), testing::Not(HasSubstr("error")));
  expect_parse_error(replaced(estimated, "1.5", "-1"), 1, "runtime_us_error",
                     "runtime_us_error must not be negative, got -1");
  expect_parse_error(replaced(estimated, "1.5", "1e300"), 1, "runtime_us_error",
                     "runtime_us_error must fit a float");
  expect_parse_error(replaced(estimated, "1.5", "null"), 1, "runtime_us_error",
                     "runtime_us_error must be a finite number of microseconds, got null");
}

TEST(TableTest, MayBeEmpty) {
  for (const char* text : {"", "\n", "\xef\xbb\xbf", " \r\n \n"}) {
    const Table table = parse(text);
    EXPECT_EQ(table.size(), 0);
    EXPECT_THAT(table.devices(), IsEmpty());
    EXPECT_THAT(table.find(key("A"), "phone"), IsEmpty());
    EXPECT_THAT(table.find_reference(key("A"), "phone"), IsEmpty());
  }
}

TEST(TableTest, NamesLineAndFieldOfAnError) {
  const std::string good = line("A", "1");
  const auto with = [&](const std::string& from, const std::string& to) {
    return good + "\n" + replaced(line("B", "7"), from, to) + good;
  };
  expect_parse_error(with("\"op_type\": \"B\", ", ""), 3, "op_type", "a record needs the key op_type");
  expect_parse_error(with(", \"device\": \"phone\"", ""), 3, "device", "a record needs the key device");
  expect_parse_error(with("\"B\"", "5"), 3, "op_type", "op_type must be a string, got 5");
  expect_parse_error(with("\"phone\"", "null"), 3, "device", "device must be a string, got null");
  expect_parse_error(with("\"op_args\": []", "\"op_args\": \"x\""), 3, "op_args",
                     "op_args must be a list of strings, got \"x\"");
  expect_parse_error(with("\"op_args\": []", "\"op_args\": [3]"), 3, "op_args",
                     "op_args must be a list of strings, got 3");
  expect_parse_error(with("\"op_args\": []", "\"op_args\": [\"name: \"]"), 3, "op_args",
                     "op_args must hold arguments as protobuf text");
  expect_parse_error(with("[[1, 8]]", "[1, 8]"), 3, "input_shapes",
                     "input_shapes must be a list of lists of non-negative 64-bit integers, got 1");
  expect_parse_error(with("[[1, 8]]", "{}"), 3, "input_shapes", "got {");
  expect_parse_error(with("[1, 8]", "[1, -8]"), 3, "input_shapes", "got -8");
  expect_parse_error(with("[1, 8]", "[1, 8.5]"), 3, "input_shapes", "got 8.5");
  expect_parse_error(with("[1, 8]", "[9223372036854775808]"), 3, "input_shapes", "got 9223372036854775808");
  expect_parse_error(with("\"input_dtypes\": [1]", "\"input_dtypes\": [\"float\"]"), 3, "input_dtypes",
                     "input_dtypes must be a list of numbers of Caffe2's data types, got \"float\"");
  expect_parse_error(with("\"input_dtypes\": [1]", "\"input_dtypes\": [-1]"), 3, "input_dtypes", "got -1");
  expect_parse_error(with("\"input_dtypes\": [1]", "\"input_dtypes\": [2147483648]"), 3, "input_dtypes",
                     "got 2147483648");
  expect_parse_error(with("\"runtime_us_p50\": 7", "\"runtime_us_p50\": \"7\""), 3, "runtime_us_p50",
                     "runtime_us_p50 must be a finite number of microseconds, got \"7\"");
  expect_parse_error(with("\"runtime_us_p50\": 7", "\"runtime_us_p50\": NaN"), 3, "runtime_us_p50", "NaN");
  expect_parse_error(with("\"runtime_us_p50\": 7", "\"runtime_us_p50\": 1e999"), 3, "runtime_us_p50",
                     "1e999");
  expect_parse_error(with("\"runtime_us_p90\": 0", "\"runtime_us_p90\": -0.5"), 3, "runtime_us_p90",
                     "runtime_us_p90 must not be negative, got -0.5");
}

TEST(TableTest, NamesTheLineOfWhatIsNoObject) {
  const std::string good = line("A", "1");
  for (const std::string bad :
       {"[1]", "5", "\"x\"", "null", "{", "{]", "{\"op_type\": ", "}", "{\"op_type\" \"A\"}",
        "{\"op_type\": \"A", "{\"a\":1,,\"b\":2}", "\xff\xfe{}"}) {
    expect_parse_error(good + bad + "\n" + good, 2, "", "a table must hold one JSON object per line: ");
  }
  const std::string two = good.substr(0, good.size() - 1) + " " + good;
  expect_parse_error(two, 1, "", "a table must hold one JSON object per line, but more text follows it");
  expect_parse_error("[" + good.substr(0, good.size() - 1) + ",\n" + good + "]\n", 1, "",
                     "one JSON object per line");
  expect_parse_error("{\n  \"op_type\": \"A\"\n}\n", 1, "", "one JSON object per line");
}

TEST(TableTest, NamesTheFirstErrorHoweverManyThreadsRead) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += i == 1234 || i % 5000 == 4999 ? line("A", "-1") : line("A", "1");
  expect_parse_error(text, 1235, "runtime_us_p50", "must not be negative");
}

TEST(TableTest, FindsRecordsInFileOrder) {
  const Table table = parse(line("A", "1") + line("B", "2") + line("A", "3") + line("A", "4", "other"));
  EXPECT_THAT(table.find(key("A"), "phone"), ElementsAre(0, 2));
  EXPECT_THAT(table.find(key("B"), "phone"), ElementsAre(1));
  EXPECT_THAT(table.find(key("A"), "other"), ElementsAre(3));
  EXPECT_EQ(table.time_us(2, Statistic::kP50), 3);
}

TEST(TableTest, FindReturnsNothingForUnknownKey) {
  const Table table = parse(line("A", "1"));
  EXPECT_THAT(table.find(key("C"), "phone"), IsEmpty());
  EXPECT_THAT(table.find(key("A"), "tablet"), IsEmpty());
  EXPECT_THAT(table.find(key("A", {net::Argument::of_int("x", 1)}), "phone"), IsEmpty());
  EXPECT_THAT(table.find({"A", {}, {{1, 9}}, {net::DataType::kFloat}}, "phone"), IsEmpty());
  EXPECT_THAT(table.find({"A", {}, {{1, -8}}, {net::DataType::kFloat}}, "phone"), IsEmpty());
  EXPECT_THAT(table.find({"A", {}, {{1, 8}}, {net::DataType::kInt8}}, "phone"), IsEmpty());
}

TEST(TableTest, FindComparesByMeaningAndFindReferenceByText) {
  const std::string stride = R"("name: \"stride\"\ni: 2\n")";
  const std::string kernel = R"("name: \"kernel\"\ni: 3\n")";
  const std::string workspace = R"("name: \"ws_nbytes_limit\"\ni: 5\n")";
  const std::string group = R"("name: \"group\"\ni: 1\n")";
  const Table table =
      parse(line("Conv", "1", "phone", stride + "," + kernel) +                    // reordered
            line("Conv", "2", "phone", kernel + "," + stride + "," + workspace) +  // as the tool writes it
            line("Conv", "3", "phone", group + "," + kernel + "," + stride) +      // says a default
            line("Conv", "4", "phone", kernel + "," + stride) +                    // as the tool writes it
            line("Conv", "5", "phone", kernel));
  const OperatorKey query =
      key("Conv", {net::Argument::of_int("stride", 2), net::Argument::of_int("ws_nbytes_limit", 7),
                   net::Argument::of_int("kernel", 3), net::Argument::of_float("Y_scale", 0.5F)});
  EXPECT_THAT(table.find(query, "phone"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(table.find_reference(query, "phone"), ElementsAre(1, 3));
  const OperatorKey with_group =
      key("Conv", {net::Argument::of_int("stride", 2), net::Argument::of_int("group", 1),
                   net::Argument::of_int("kernel", 3)});
  EXPECT_THAT(table.find(with_group, "phone"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(table.find_reference(with_group, "phone"), ElementsAre(2));
  const OperatorKey other_spelling =
      key("Conv", {net::Argument::of_int("kernel_h", 3), net::Argument::of_int("kernel_w", 3),
                   net::Argument::of_int("stride", 2)});
  EXPECT_THAT(table.find(other_spelling, "phone"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(table.find_reference(other_spelling, "phone"), IsEmpty());
}

// The hint changes no result: records with the same one win, those with the other are better than none.
TEST(TableTest, AConvolutionWithoutARecordHasThoseWithTheOtherHint) {
  const std::string kernel = R"("name: \"kernel\"\ni: 3\n")";
  const std::string hint = R"("name: \"exhaustive_search\"\ni: 1\n",)";
  const net::Argument searches = net::Argument::of_int("exhaustive_search", 1);
  const net::Argument kernel_3 = net::Argument::of_int("kernel", 3);
  const net::Argument stride = net::Argument::of_int("stride", 2);
  const Table both = parse(line("Conv", "1", "phone", hint + kernel) + line("Conv", "2", "phone", kernel));
  EXPECT_THAT(both.find(key("Conv", {kernel_3}), "phone"), ElementsAre(1));
  EXPECT_THAT(both.find(key("Conv", {kernel_3, searches}), "phone"), ElementsAre(0));
  const Table hinted = parse(line("Conv", "1", "phone", hint + kernel));
  EXPECT_THAT(hinted.find(key("Conv", {kernel_3}), "phone"), ElementsAre(0));
  // Said to be off, wherever it stands.
  const net::Argument off = net::Argument::of_int("exhaustive_search", 0);
  EXPECT_THAT(hinted.find(key("Conv", {off, kernel_3}), "phone"), ElementsAre(0));
  EXPECT_THAT(hinted.find(key("Conv", {kernel_3, off}), "phone"), ElementsAre(0));
  EXPECT_THAT(hinted.find_reference(key("Conv", {kernel_3}), "phone"), IsEmpty());
  EXPECT_THAT(hinted.find(key("Conv", {kernel_3, stride}), "phone"), IsEmpty());
  const Table plain = parse(line("Conv", "1", "phone", kernel));
  EXPECT_THAT(plain.find(key("Conv", {searches, kernel_3}), "phone"), ElementsAre(0));
  EXPECT_THAT(plain.find(key("Relu", {searches, kernel_3}), "phone"), IsEmpty());
}

TEST(TableTest, OutputScaleOfARecordCountsForTheReferenceOnly) {
  const Table table = parse(line("Int8Relu", "1", "phone", R"("name: \"Y_scale\"\nf: 0.5\n")"));
  const OperatorKey query = key("Int8Relu", {net::Argument::of_float("Y_scale", 0.5F)});
  EXPECT_THAT(table.find(query, "phone"), ElementsAre(0));
  EXPECT_THAT(table.find_reference(query, "phone"), IsEmpty());
}

TEST(TableTest, UnknownArgumentsOfARecordCount) {
  const Table table = parse(line("FC", "1", "phone", R"("name: \"stride\"\ni: 7\n")"));
  EXPECT_THAT(table.find(key("FC"), "phone"), IsEmpty());
  EXPECT_THAT(table.find(key("FC", {net::Argument::of_int("stride", 7)}), "phone"), ElementsAre(0));
}

// A table of several batches, so that joining them is tested, against a linear scan.
TEST(TableTest, FindsWhatAScanFindsInALargeTable) {
  std::string text;
  for (int i = 0; i < 6000; ++i) {
    const int stride = i % 7;
    const std::string size = std::to_string(i % 501);
    const std::string filler(200, static_cast<char>('a' + i % 26));
    text +=
        replaced(line("Conv", std::to_string(i), "device" + std::to_string(i % 3),
                      R"("name: \"stride\"\ni: )" + std::to_string(stride) + R"(\n")", "[" + size + ", 8]"),
                 "{", "{\"note\": \"" + filler + "\", ");
  }
  const Table table = parse(text);
  ASSERT_EQ(table.size(), 6000);
  EXPECT_THAT(table.devices(), ElementsAre("device0", "device1", "device2"));
  for (int stride = 0; stride < 7; ++stride) {
    for (const int64_t size : {0, 1, 250, 499, 500, 501}) {
      for (int device = 0; device < 3; ++device) {
        std::vector<uint32_t> expected;
        for (uint32_t i = 0; i < 6000; ++i) {
          if (i % 7 == static_cast<uint32_t>(stride) && i % 501 == size &&
              i % 3 == static_cast<uint32_t>(device)) {
            expected.push_back(i);
          }
        }
        const OperatorKey query{
            "Conv", {net::Argument::of_int("stride", stride)}, {{size, 8}}, {net::DataType::kFloat}};
        const auto found = table.find(query, "device" + std::to_string(device));
        EXPECT_EQ(std::vector(found.begin(), found.end()), expected);
        const auto reference = table.find_reference(query, "device" + std::to_string(device));
        EXPECT_EQ(std::vector(reference.begin(), reference.end()), expected);
      }
    }
  }
  for (const size_t i : {0, 1, 2999, 5999}) EXPECT_EQ(table.record(i).p50_us, static_cast<double>(i));
}

TEST(TableTest, TellsItsDefaultDevice) {
  EXPECT_EQ(parse(line("A", "1")).default_device(), "phone");
  const std::string two = line("A", "1", "phone") + line("A", "1", "phone-2");
  EXPECT_EQ(Table::parse(two, "/luts/phone-2-op_lut_database.json.gz").default_device(), "phone-2");
  EXPECT_EQ(Table::parse(two, "phone-op_lut_database.json").default_device(), "phone");
  try {
    Table::parse(two, "phone-3-op_lut_database.json").default_device();
    FAIL() << "no error";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "a device must be named because the table has several: phone, phone-2 "
                 "(phone-3-op_lut_database.json)");
  }
  try {
    parse("").default_device();
    FAIL() << "no error";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "a table must have at least one record to price with; this one is empty (lut.json)");
  }
}

TEST(TableTest, KnowsItsDevices) {
  const Table table = parse(line("A", "1", "b") + line("A", "1", "a") + line("A", "1", "b"));
  EXPECT_THAT(table.devices(), ElementsAre("b", "a"));
  EXPECT_TRUE(table.has_device("a"));
  EXPECT_FALSE(table.has_device("c"));
  EXPECT_FALSE(table.has_device(""));
}

TEST(TableTest, ResolvesADevice) {
  const std::string two = line("A", "1") + line("A", "1", "tablet");
  const Table table = Table::parse(two, "phone-op_lut_database.json");
  EXPECT_EQ(table.resolve_device("tablet"), "tablet");
  EXPECT_EQ(table.resolve_device(""), "phone");
  LATGRAD_EXPECT_ERROR(table.resolve_device("watch"), ValueError,
                       StrEq("the device must be one of the table's (phone, tablet), got \"watch\" "
                             "(phone-op_lut_database.json)"));
  LATGRAD_EXPECT_ERROR(Table::parse(two, "lut.json").resolve_device(""), ValueError,
                       HasSubstr("a device must be named because the table has several: phone, tablet"));
  LATGRAD_EXPECT_ERROR(Table::parse("", "lut.json").resolve_device("phone"), ValueError,
                       HasSubstr("a table must have at least one record to price with; this one is empty"));
}

TEST(TableLoadTest, ReadsPlainGzipAndZipByContent) {
  const TemporaryFolder folder;
  const std::string text = line("A", "1") + line("B", "2");
  const std::vector<std::filesystem::path> files = {
      folder.write("a.json", text), folder.write("b.json", gzip(text)),
      folder.write("c.gz", gzip(line("A", "1")) + gzip(line("B", "2")) + std::string(512, '\0')),
      write_zip(folder.path() / "d", {{"folder/", ""},
                                      {"folder/lut.JSON", text},
                                      {"folder/README.md", "{}"},
                                      {"__MACOSX/folder/._lut.json", "x"},
                                      {"folder/._other.json", "x"}})};
  for (const auto& file : files) {
    const Table table = Table::load(file);
    ASSERT_EQ(table.size(), 2) << file;
    EXPECT_EQ(table.record(1).op_type, "B");
    EXPECT_EQ(table.source(), file.string());
  }
}

TEST(TableLoadTest, TakesTheDefaultDeviceFromTheNameInsideAZip) {
  const TemporaryFolder folder;
  const auto path = write_zip(folder.path() / "download.zip",
                              {{"b-op_lut_database.json", line("A", "1", "a") + line("A", "1", "b")}});
  EXPECT_EQ(Table::load(path).default_device(), "b");
}

template <typename ErrorType>
void expect_load_error(const std::filesystem::path& path, const std::string& message) {
  try {
    Table::load(path);
    ADD_FAILURE() << "no error for " << path;
  } catch (const ErrorType& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
    EXPECT_EQ(error.place().file, path.string());
  }
}

TEST(TableLoadTest, NamesWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  expect_load_error<IoError>(folder.path() / "none.json", "cannot open: No such file or directory");
  expect_load_error<IoError>(folder.path(), "a file is needed, but this is a folder");
  const std::string packed = gzip(line("A", "1"));
  expect_load_error<ParseError>(folder.write("cut.gz", packed.substr(0, packed.size() - 5)),
                                "a gzip file must be readable: it is truncated");
  expect_load_error<ParseError>(
      folder.write("bits.gz", packed.substr(0, 12) + "\xff\xff\xff" + packed.substr(15)),
      "a gzip file must be readable: ");
  expect_load_error<ParseError>(folder.write("more.gz", packed + "more"),
                                "a gzip file must be readable: what follows its last member is not gzip");
  expect_load_error<ParseError>(write_zip(folder.path() / "two.zip", {{"a.json", "{}"}, {"b/c.json", "{}"}}),
                                "a zip must hold one .json, but this one has 2: a.json, b/c.json");
  expect_load_error<ParseError>(write_zip(folder.path() / "none.zip", {{"a.txt", "x"}}),
                                "a zip must hold one .json, but this one has none among 1 entries");
  expect_load_error<ParseError>(folder.write("bad.zip", "PK\x03\x04 and nothing more"),
                                "a zip archive must be readable: ");
}

TEST(TableLoadTest, DamagedZipContentIsAnError) {
  const TemporaryFolder folder;
  const auto path = write_zip(folder.path() / "a.zip", {{"a.json", line("A", "1") + line("B", "2")}});
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  std::string damaged = bytes.str();
  damaged[60] ^= 0x55;  // inside the compressed data of the only entry
  expect_load_error<ParseError>(folder.write("b.zip", damaged), "a zip archive must be readable: a.json: ");
}

TEST(FromRecordsTest, GivesTheSameTableAsItsFile) {
  const Table parsed = parse(std::string(kConvLine) + "\n" + line("A", "1") + line("A", "3"));
  std::vector<Record> records;
  for (size_t i = 0; i < parsed.size(); ++i) records.push_back(parsed.record(i));
  const Table table = Table::from_records(records, "made");
  ASSERT_EQ(table.size(), 3);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(table.record(i), parsed.record(i));
  EXPECT_THAT(table.find(key("A"), "phone"), ElementsAre(1, 2));
  EXPECT_EQ(table.source(), "made");
}

void expect_record_error(const Record& record, const std::string& message) {
  try {
    Table::from_records({Record{}, record}, "made");
    ADD_FAILURE() << "no error, expected: " << message;
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(FromRecordsTest, ChecksRecords) {
  expect_record_error({.p50_us = -1}, "p50_us must be finite and not negative, got -1 in record 1");
  expect_record_error({.p0_us = std::nan("")}, "p0_us must be finite and not negative, got nan in record 1");
  expect_record_error({.p100_us = std::numeric_limits<double>::infinity()}, "p100_us must be finite");
  expect_record_error({.p50_us = 1.5, .p50_is_integer = true},
                      "p50_us must be a whole number to be an integer, got 1.5");
  expect_record_error({.input_shapes = {{1, -2}}},
                      "input_shapes must not have a negative dimension, got [1, -2]");
  expect_record_error({.input_dtypes = {static_cast<net::DataType>(-3)}},
                      "input_dtypes must not be negative, got -3");
}

TEST(FromRecordsTest, NamesTheRecordOfABadArgument) {
  try {
    Table::from_records({Record{}, {.op_args = {"name: "}}}, "made");
    FAIL() << "no error";
  } catch (const ParseError& error) {
    EXPECT_THAT(error.what(), HasSubstr("op_args must hold arguments as protobuf text"));
    EXPECT_EQ(error.place().file, "record 1 of made");
    EXPECT_EQ(error.place().field, "op_args");
  }
}

TEST(RecordJsonTest, WritesWhatThePublishedTableHolds) {
  const Record record = parse(kConvLine).record(0);
  EXPECT_EQ(
      record_json(record),
      R"({"op_type": "Conv", "op_args": ["name: \"kernel\"\ni: 3\n", "name: \"stride\"\ni: 2\n"], )"
      R"("input_shapes": [[1, 3, 224, 224], [32, 3, 3, 3], [32]], "input_dtypes": [1, 1, 1], )"
      R"("runtime_us_p0": 1.5, "runtime_us_p10": 2.25, "runtime_us_p50": 259.0, "runtime_us_p90": 300.0, )"
      R"("runtime_us_p100": 1000.0, "device": "phone"})");
}

TEST(RecordJsonTest, ReadsBackAsTheSameRecord) {
  const Record records[] = {{},
                            {.op_type = "a\"\\\n\r\t\b\f\x01\x7f",
                             .op_args = {"name: \"x\"\nf: 0.1\n", "name: \"x\"\nf: 0.1\n"},
                             .input_shapes = {{}, {1, 9223372036854775807}},
                             .input_dtypes = {net::DataType::kFloat, static_cast<net::DataType>(99)},
                             .p0_us = 5e-324,
                             .p10_us = 0.1,
                             .p50_us = 123456789.123456789,
                             .p90_us = 1e16,
                             .p100_us = std::numeric_limits<double>::max(),
                             .device = "\xf0\x9f\x98\x80"},
                            {.p0_us = 1.0 / 3,
                             .p10_us = 1e-5,
                             .p50_us = 259,
                             .p90_us = 12345678901234568.0,
                             .p50_is_integer = true}};
  for (const Record& record : records) EXPECT_EQ(parse(record_json(record)).record(0), record);
}

TEST(RecordJsonTest, RefusesWhatJsonCannotHold) {
  EXPECT_THROW(record_json({.p90_us = std::nan("")}), ValueError);
  EXPECT_THROW(record_json({.p0_us = -1}), ValueError);
  try {
    record_json({.device = "\xff"});
    FAIL() << "no error";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "device must be valid UTF-8 (field \"device\")");
  }
}

TEST(WriteRecordsTest, ReplacesTheFileAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const auto path = folder.write("lut.json", "old");
  write_records({{.op_type = "A"}, {.op_type = "B"}}, path);
  const Table table = Table::load(path);
  ASSERT_EQ(table.size(), 2);
  EXPECT_EQ(table.record(1).op_type, "B");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteRecordsTest, NamesAFolderThatDoesNotExist) {
  const TemporaryFolder folder;
  try {
    write_records({}, folder.path() / "none" / "lut.json");
    FAIL() << "no error";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot create: No such file or directory"));
  }
}

TEST(TableTest, PublishedTableReadsBackAsItWasWritten) {
  LATGRAD_NEED_SHARED("conformance");
  const auto path = shared_data("conformance/SM-G950U-7.0-24-op_lut_database.json");
  const Table table = Table::load(path);
  ASSERT_EQ(table.size(), 836);
  EXPECT_THAT(table.devices(), ElementsAre("SM-G950U-7.0-24", "iPhone-X-16"));
  EXPECT_EQ(table.default_device(), "SM-G950U-7.0-24");
  std::ifstream file(path);
  std::string expected;
  for (size_t i = 0; std::getline(file, expected); ++i) EXPECT_EQ(record_json(table.record(i)), expected);
}

}  // namespace
}  // namespace latgrad::lut
