#include "latgrad/lut/estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/lut/reference_report.h"

namespace latgrad::lut {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A record of an operator with one float input [1, 8] and no arguments.
std::string line(const std::string& op_type, const std::string& p50, const std::string& device = "phone",
                 const std::string& op_args = "") {
  return R"({"op_type": ")" + op_type + R"(", "op_args": [)" + op_args +
         R"(], "input_shapes": [[1, 8]], "input_dtypes": [1], "runtime_us_p0": 0, "runtime_us_p10": 0, )" +
         R"("runtime_us_p50": )" + p50 + R"(, "runtime_us_p90": 0, "runtime_us_p100": 0, "device": ")" +
         device + "\"}\n";
}

OperatorKey key(const std::string& op_type) { return {op_type, {}, {{1, 8}}, {net::DataType::kFloat}}; }

struct KnownNet {
  net::Net net;
  net::NetShapes shapes;
};

// Operators with one float input [1, 8] each.
KnownNet net_of(const std::vector<std::string>& types) {
  KnownNet known;
  for (const std::string& type : types) {
    net::Operator op;
    op.type = type;
    known.net.ops.push_back(op);
    net::OpShapes shapes;
    shapes.inputs = {{{1, 8}, net::DataType::kFloat}};
    known.shapes.ops.push_back(shapes);
  }
  return known;
}

Table parse(const std::string& text) { return Table::parse(text, "lut.json"); }

TEST(ModeTest, IsReadAndPrinted) {
  for (const char* text : {"ave", "min", "max", "last"}) EXPECT_EQ(to_string(parse_mode(text)), text);
  try {
    parse_mode("mean");
    FAIL() << "no error";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "a mode must be ave, min, max or last, got \"mean\"");
  }
}

TEST(StatusTest, IsPrinted) {
  EXPECT_EQ(to_string(Status::kExact), "exact");
  EXPECT_EQ(to_string(Status::kSubstituted), "substituted");
  EXPECT_EQ(to_string(Status::kMissing), "missing");
}

TEST(EstimateOperatorTest, ModesJoinSeveralRecords) {
  const Table table = parse(line("A", "3") + line("A", "7") + line("A", "2") + line("A", "4"));
  const auto time_us = [&](Mode mode) { return estimate_operator(key("A"), table, {.mode = mode}).time_us; };
  EXPECT_EQ(time_us(Mode::kAve), 4);
  EXPECT_EQ(time_us(Mode::kMin), 2);
  EXPECT_EQ(time_us(Mode::kMax), 7);
  EXPECT_EQ(time_us(Mode::kLast), 4);
  EXPECT_THAT(estimate_operator(key("A"), table, {}).records, ElementsAre(0, 1, 2, 3));
}

TEST(EstimateOperatorTest, AverageIsTheSumInFileOrderDividedOnce) {
  const Table table = parse(line("A", "0.1") + line("A", "0.2") + line("A", "0.3"));
  EXPECT_EQ(estimate_operator(key("A"), table, {}).time_us, ((0.1 + 0.2) + 0.3) / 3);
}

TEST(EstimateOperatorTest, IntegersStayIntegersUnlessAveraged) {
  const Table table = parse(line("A", "3") + line("A", "3.0"));
  EXPECT_TRUE(estimate_operator(key("A"), table, {.mode = Mode::kMin}).time_is_integer);
  EXPECT_TRUE(estimate_operator(key("A"), table, {.mode = Mode::kMax}).time_is_integer);
  EXPECT_FALSE(estimate_operator(key("A"), table, {.mode = Mode::kLast}).time_is_integer);
  EXPECT_FALSE(estimate_operator(key("A"), table, {.mode = Mode::kAve}).time_is_integer);
}

// Two records of the operator A. Either is the slower one by some statistic.
Table steady_and_shaky() {
  const Record steady{.op_type = "A",
                      .input_shapes = {{1, 8}},
                      .input_dtypes = {net::DataType::kFloat},
                      .p0_us = 39,
                      .p10_us = 40,
                      .p50_us = 41,
                      .p90_us = 42,
                      .p100_us = 43,
                      .p50_is_integer = true,
                      .device = "phone"};
  Record shaky = steady;
  shaky.p0_us = 10;
  shaky.p10_us = 20;
  shaky.p50_us = 30;
  shaky.p90_us = 60;
  shaky.p100_us = 90;
  return Table::from_records({steady, shaky}, "made");
}

TEST(EstimateOperatorTest, StatisticIsTakenOfEachRecordBeforeTheModeJoinsThem) {
  const Table table = steady_and_shaky();
  const auto time_us = [&](Mode mode, Statistic statistic) {
    const OpEstimate op = estimate_operator(key("A"), table, {.mode = mode, .statistic = statistic});
    EXPECT_EQ(op.time_us, joined_time_us(op.records, table, mode, statistic));
    return op.time_us;
  };
  EXPECT_EQ(time_us(Mode::kAve, Statistic::kP0), 24.5);
  EXPECT_EQ(time_us(Mode::kAve, Statistic::kP10), 30);
  EXPECT_EQ(time_us(Mode::kAve, Statistic::kP50), 35.5);
  EXPECT_EQ(time_us(Mode::kAve, Statistic::kP90), 51);
  EXPECT_EQ(time_us(Mode::kAve, Statistic::kP100), 66.5);
  EXPECT_NEAR(*time_us(Mode::kAve, Statistic::kMean), (41 + 37) / 2.0, 1e-12);
  EXPECT_EQ(time_us(Mode::kMin, Statistic::kP10), 20);
  EXPECT_EQ(time_us(Mode::kMin, Statistic::kP50), 30);
  EXPECT_EQ(time_us(Mode::kMin, Statistic::kP90), 42);
  EXPECT_EQ(time_us(Mode::kMax, Statistic::kP50), 41);
  EXPECT_EQ(time_us(Mode::kMax, Statistic::kP90), 60);
  EXPECT_EQ(time_us(Mode::kLast, Statistic::kP90), 60);
}

TEST(EstimateOperatorTest, OnlyAMedianIsKnownToBeAnInteger) {
  const Table table = steady_and_shaky();
  for (const Statistic statistic : kStatistics) {
    const OpEstimate op = estimate_operator(key("A"), table, {.mode = Mode::kLast, .statistic = statistic});
    EXPECT_EQ(op.time_is_integer, statistic == Statistic::kP50) << to_string(statistic);
  }
}

TEST(EstimateOperatorTest, ReferenceMatchingKnowsOnlyTheMedian) {
  const Table table = parse(line("A", "3"));
  const EstimateOptions options{.statistic = Statistic::kP90, .matching = Matching::kReference};
  const auto message =
      testing::StrEq("reference matching must price by p50, as the published tool does, got p90");
  LATGRAD_EXPECT_ERROR(estimate_operator(key("A"), table, options), ValueError, message);
  LATGRAD_EXPECT_ERROR(estimate({}, {}, table, options), ValueError, message);
}

TEST(EstimateOperatorTest, MissingHasNoTime) {
  const Table table = parse(line("A", "3"));
  const OpEstimate op = estimate_operator(key("B"), table, {});
  EXPECT_EQ(op.status, Status::kMissing);
  EXPECT_EQ(op.time_us, std::nullopt);
  EXPECT_EQ(op.type_after_lookup, "B");
  EXPECT_THAT(op.records, IsEmpty());
}

TEST(EstimateOperatorTest, Int8ConvFallsBackToInt8ConvReluOnly) {
  const Table table =
      parse(line("Int8ConvRelu", "5") + line("ConvRelu", "6") + line("Int8Conv", "7", "other"));
  for (const Matching matching : {Matching::kMeaning, Matching::kReference}) {
    const EstimateOptions options{.device = "phone", .matching = matching};
    const OperatorKey query = key("Int8Conv");
    const OpEstimate substituted = estimate_operator(query, table, options);
    EXPECT_EQ(substituted.status, Status::kSubstituted);
    EXPECT_EQ(substituted.time_us, 5);
    EXPECT_EQ(substituted.type_after_lookup, "Int8ConvRelu");
    EXPECT_EQ(query.op_type, "Int8Conv");
    EXPECT_EQ(estimate_operator(key("Int8ConvRelu"), table, options).status, Status::kExact);
    EXPECT_EQ(estimate_operator(key("Conv"), table, options).status, Status::kMissing);
    const OpEstimate exact = estimate_operator(query, table, {.device = "other", .matching = matching});
    EXPECT_EQ(exact.status, Status::kExact);
    EXPECT_EQ(exact.time_us, 7);
    EXPECT_EQ(exact.type_after_lookup, "Int8Conv");
  }
}

// A residual sum is Sum in Caffe2 and Add in most ONNX files.
TEST(EstimateOperatorTest, AddAndSumOfOneShapePriceEachOther) {
  using Shapes = std::vector<net::Shape>;
  const Shapes same = {{1, 8}, {1, 8}};
  const Shapes stretched = {{1, 8}, {1, 1}};
  const Shapes three = {{1, 8}, {1, 8}, {1, 8}};
  const auto record_of = [](const char* type, const char* shapes, const char* us) {
    return std::string(R"({"op_type": ")") + type + R"(", "op_args": [], "input_shapes": )" + shapes +
           R"(, "input_dtypes": [], "runtime_us_p0": 1, "runtime_us_p10": 1, "runtime_us_p50": )" + us +
           R"(, "runtime_us_p90": 99, "runtime_us_p100": 99, "device": "phone"})" + "\n";
  };
  const Table table =
      Table::parse(record_of("Sum", "[[1, 8], [1, 8]]", "5") + record_of("Sum", "[[1, 8], [1, 1]]", "6") +
                       record_of("Int8Add", "[[1, 8], [1, 8]]", "7"),
                   "phone-op_lut_database.json");
  const auto priced = [&](const char* type, const Shapes& shapes, Matching matching = Matching::kMeaning) {
    return estimate_operator({type, {}, shapes, {}}, table, {.matching = matching});
  };
  EXPECT_EQ(priced("Add", same).time_us, 5);
  EXPECT_EQ(priced("Add", same).status, Status::kSubstituted);
  EXPECT_EQ(priced("Add", same).type_after_lookup, "Sum");
  EXPECT_EQ(priced("Int8Sum", same).time_us, 7);
  EXPECT_EQ(priced("Sum", same).status, Status::kExact);
  EXPECT_EQ(priced("Add", stretched).status, Status::kMissing);
  EXPECT_EQ(priced("Add", stretched).type_after_lookup, "Add");
  EXPECT_EQ(priced("Sum", three).status, Status::kMissing);
  EXPECT_EQ(priced("Sum", three).type_after_lookup, "Sum");
  EXPECT_EQ(priced("Add", same, Matching::kReference).status, Status::kMissing);
}

TEST(EstimateOperatorTest, MissingSubstituteKeepsItsTypeAsThePublishedTool) {
  const OpEstimate op = estimate_operator(key("Int8Conv"), parse(line("A", "1")), {});
  EXPECT_EQ(op.status, Status::kMissing);
  EXPECT_EQ(op.type_after_lookup, "Int8ConvRelu");
}

TEST(EstimateOperatorTest, UnknownDeviceListsThoseOfTheTable) {
  const Table table = parse(line("A", "1") + line("A", "1", "tablet"));
  try {
    estimate_operator(key("A"), table, {.device = "watch"});
    FAIL() << "no error";
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "the device must be one of the table's (phone, tablet), got \"watch\" (lut.json)");
  }
  EXPECT_THROW(estimate_operator(key("A"), table, {}), ValueError);
  LATGRAD_EXPECT_ERROR(estimate_operator(key("A"), parse(""), {.device = "watch"}), ValueError,
                       testing::HasSubstr("this one is empty"));
}

TEST(EstimateTest, SumsInOperatorOrder) {
  const Table table = parse(line("A", "0.1") + line("B", "0.2") + line("C", "0.3"));
  const auto [net, shapes] = net_of({"A", "B", "C"});
  const Estimate result = estimate(net, shapes, table, {});
  EXPECT_TRUE(result.all_found);
  EXPECT_EQ(result.total_us(), (0.1 + 0.2) + 0.3);
  EXPECT_EQ(result.found_us, (0.1 + 0.2) + 0.3);
  ASSERT_EQ(result.ops.size(), 3);
  EXPECT_EQ(result.ops[1].time_us, 0.2);
}

TEST(EstimateTest, NothingIsTheTotalWhileAnOperatorIsMissing) {
  const auto [net, shapes] = net_of({"A", "B", "A"});
  const Estimate result = estimate(net, shapes, parse(line("A", "2")), {});
  EXPECT_FALSE(result.all_found);
  EXPECT_EQ(result.total_us(), std::nullopt);
  EXPECT_EQ(result.found_us, 4);
}

TEST(EstimateTest, OperatorOfUnknownShapeIsMissing) {
  auto [net, shapes] = net_of({"A", "Int8Conv"});
  shapes.ops[0].known = false;
  shapes.ops[1].known = false;
  const Estimate result = estimate(net, shapes, parse(line("A", "2") + line("Int8Conv", "2")), {});
  EXPECT_EQ(result.ops[0].status, Status::kMissing);
  EXPECT_EQ(result.ops[1].status, Status::kMissing);
  EXPECT_EQ(result.ops[1].type_after_lookup, "Int8Conv");
  EXPECT_EQ(result.found_us, 0);
  EXPECT_FALSE(result.all_found);
}

TEST(EstimateTest, EmptyNetworkIsFree) {
  const Estimate result = estimate({}, {}, parse(line("A", "2")), {});
  EXPECT_EQ(result.total_us(), 0);
}

TEST(EstimateTest, OtherDevicesNeverCount) {
  const auto [net, shapes] = net_of({"A"});
  const Table table = parse(line("A", "2", "phone") + line("A", "30", "tablet") + line("A", "4", "phone"));
  EXPECT_EQ(estimate(net, shapes, table, {.device = "phone"}).total_us(), 3);
  EXPECT_EQ(estimate(net, shapes, table, {.device = "tablet"}).total_us(), 30);
  EXPECT_THROW(estimate(net, shapes, table, {.device = "watch"}), ValueError);
  EXPECT_THROW(estimate(net, shapes, table, {}), ValueError);
  EXPECT_THROW(estimate(net, shapes, parse(""), {.device = "phone"}), ValueError);
}

TEST(EstimateTest, ShapesOfAnotherNetworkAreAnError) {
  const auto [net, shapes] = net_of({"A", "A"});
  EXPECT_THROW(estimate(net, net_of({"A"}).shapes, parse(line("A", "2")), {}), ValueError);
}

std::string report(const KnownNet& known, const Table& table, Mode mode = Mode::kAve) {
  const Estimate result =
      estimate(known.net, known.shapes, table, {.mode = mode, .matching = Matching::kReference});
  return reference_report(known.net, known.shapes, table, result);
}

TEST(ReferenceReportTest, PrintsAsThePublishedToolDoes) {
  KnownNet known = net_of({"A", "Gone", "Int8Conv", "Sum", "Scalar"});
  known.shapes.ops[3].inputs = {{{1, 2, 3}, net::DataType::kFloat}, {{}, net::DataType::kFloat}};
  known.shapes.ops[4].inputs = {};
  const Table table = parse(line("A", "259.0") + line("A", "860") + line("Int8ConvRelu", "0.00001"));
  EXPECT_EQ(report(known, table),
            "op type A with input [[1, 8]]\n"
            "run_time: [259.0, 860]\n"
            "No match found in the database!\n"
            "op type Int8ConvRelu with input [[1, 8]]\n"
            "run_time: [1e-05]\n"
            "No match found in the database!\n"
            "No match found in the database!\n"
            "All operators found in the table? False\n"
            "The network run-time latency is 559.50001\n");
}

TEST(ReferenceReportTest, PrintsShapesAsPythonLists) {
  KnownNet known = net_of({"Sum"});
  known.shapes.ops[0].inputs = {{{1, 2}, net::DataType::kFloat}, {{}, net::DataType::kFloat}};
  Record record{.op_type = "Sum",
                .input_shapes = {{1, 2}, {}},
                .input_dtypes = {net::DataType::kFloat, net::DataType::kFloat},
                .p50_us = 2.5,
                .device = "phone"};
  EXPECT_EQ(report(known, Table::from_records({record}, "made")),
            "op type Sum with input [[1, 2], []]\n"
            "run_time: [2.5]\n"
            "All operators found in the table? True\n"
            "The network run-time latency is 2.5\n");
}

std::string total_line(const std::vector<std::string>& p50s, Mode mode) {
  std::string text;
  std::vector<std::string> types;
  for (size_t i = 0; i < p50s.size(); ++i) {
    types.push_back("Op" + std::to_string(i));
    text += line(types.back(), p50s[i]);
  }
  const std::string printed = report(net_of(types), parse(text + line("Other", "1")), mode);
  return printed.substr(printed.rfind(" is ") + 4);
}

TEST(ReferenceReportTest, TotalIsAnIntegerWhereverPythonsIs) {
  for (const Mode mode : {Mode::kMin, Mode::kMax, Mode::kLast}) {
    EXPECT_EQ(total_line({"3", "4"}, mode), "7\n");
    EXPECT_EQ(total_line({"3", "4.0"}, mode), "7.0\n");
    EXPECT_EQ(total_line({}, mode), "0\n");
  }
  EXPECT_EQ(total_line({"3", "4"}, Mode::kAve), "7.0\n");
  EXPECT_EQ(total_line({}, Mode::kAve), "0\n");
}

TEST(ReferenceReportTest, NumbersArePythonsShortest) {
  const auto total = [](const std::string& p50) { return total_line({p50}, Mode::kLast); };
  EXPECT_EQ(total("0.1"), "0.1\n");
  EXPECT_EQ(total("0.0001"), "0.0001\n");
  EXPECT_EQ(total("0.00001"), "1e-05\n");
  EXPECT_EQ(total("1.5e-7"), "1.5e-07\n");
  EXPECT_EQ(total("1e15"), "1000000000000000.0\n");
  EXPECT_EQ(total("9999999999999998.0"), "9999999999999998.0\n");
  EXPECT_EQ(total("1e16"), "1e+16\n");
  EXPECT_EQ(total("1.25e300"), "1.25e+300\n");
  EXPECT_EQ(total("113953.16666666666"), "113953.16666666666\n");
  EXPECT_EQ(total("0.0"), "0.0\n");
  EXPECT_EQ(total("-0"), "0\n");
}

}  // namespace
}  // namespace latgrad::lut
