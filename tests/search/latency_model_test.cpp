// The law of latgrad: the price of an architecture is the price of the network that it describes.

#include "latgrad/search/latency_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <functional>
#include <random>
#include <string>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/search/lowering.h"
#include "made_up_table.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

// By every statistic, the model says of the architecture what the network costs that it describes.
void expect_law(const LatencyModel& model, const Space& space, const Architecture& arch,
                const lut::Table& table) {
  const net::Net net = lower(space, arch, model.precision);
  const net::NetShapes shapes = net::infer_shapes(net);
  for (const lut::Statistic statistic : lut::kStatistics) {
    const lut::Estimate estimate = lut::estimate(net, shapes, table, {.statistic = statistic});
    EXPECT_TRUE(estimate.all_found);
    EXPECT_NEAR(model.estimate_us(arch, statistic), estimate.found_us, 1e-9 * estimate.found_us)
        << space.format_architecture(arch) << " by " << to_string(statistic);
  }
}

class LatencyLawTest : public testing::TestWithParam<Precision> {};

TEST_P(LatencyLawTest, HoldsForRandomArchitecturesOfFbnet) {
  const Space space = load("fbnet");
  const lut::Table table = made_up_table(space, GetParam());
  const LatencyModel model =
      build_latency_model(space, table, {.precision = GetParam(), .device = "", .mode = {}});
  ASSERT_THAT(model.missing, IsEmpty());
  std::mt19937 random(20240229);
  for (int i = 0; i < 1000; ++i) {
    Architecture arch;
    for (const LayerInfo& layer : space.layers()) {
      arch.push_back(static_cast<int>(random() % layer.candidates.size()));
    }
    expect_law(model, space, arch, table);
    if (HasFailure()) return;
  }
}

TEST_P(LatencyLawTest, HoldsForEveryArchitectureOfTiny) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(space, GetParam());
  const LatencyModel model =
      build_latency_model(space, table, {.precision = GetParam(), .device = "", .mode = {}});
  int count = 0;
  for (int a = 0; a < 2; ++a) {
    for (int b = 0; b < 3; ++b) {
      for (int d = 0; d < 3; ++d) {
        const Architecture arch = {a, b, 0, d};
        expect_law(model, space, arch, table);
        ++count;
      }
    }
  }
  EXPECT_EQ(count, 18);
}

TEST_P(LatencyLawTest, HoldsForOddMapsAndBatches) {
  const Space space = Space::parse(R"(
    name: "odd"
    input { batch: 3 height: 33 width: 17 }
    stem { channels: 4 stride: 2 }
    candidate { name: "a" block { expand: 2 groups: 2 depthwise { kernel: 3 } depthwise { kernel: 7 } } }
    candidate { name: "b" block { depthwise { kernel: 5 dilation: 2 } } }
    candidate { name: "skip" skip { elsewhere: PROJECTION } }
    stage { name: "one" channels: 4 layers: 2 stride: 2 }
    stage { name: "two" channels: 6 layers: 2 stride: 3 candidate: ["skip", "a"] }
    head { classes: 7 }
    depthwise_bias: NEVER
  )",
                                   "odd.textproto");
  const lut::Table table = made_up_table(space, GetParam());
  const LatencyModel model =
      build_latency_model(space, table, {.precision = GetParam(), .device = "", .mode = {}});
  for (int i = 0; i < 36; ++i) {
    const Architecture arch = {i % 3, i / 3 % 3, i / 9 % 2, i / 18};
    expect_law(model, space, arch, table);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, LatencyLawTest, testing::Values(Precision::kInt8, Precision::kFp32),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST(LatencyModelTest, LaysTheTableOutByLayerAndCandidate) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(space, Precision::kInt8);
  const LatencyModel model = build_latency_model(space, table);
  EXPECT_EQ(model.num_layers, 4u);
  EXPECT_EQ(model.num_candidates, 4u);
  EXPECT_EQ(model.device, "made-up");
  EXPECT_EQ(model.precision, Precision::kInt8);
  EXPECT_TRUE(model.fixed_complete);
  EXPECT_THAT(model.valid, ElementsAre(1, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0));
  EXPECT_EQ(model.at(0, 1), 0.0);  // an identity costs nothing
  for (const Prices& prices : model.prices) {
    ASSERT_EQ(prices.table_us.size(), model.valid.size());
    for (size_t i = 0; i < model.valid.size(); ++i) {
      if (model.valid[i] == 0) {
        EXPECT_EQ(prices.table_us[i], 0.0);
      }
    }
  }
  double expected_us = 0;
  const net::Net block = lower_block(space, 1, 2, Precision::kInt8);
  const net::NetShapes shapes = net::infer_shapes(block);
  for (size_t i = 0; i < block.ops.size(); ++i) {
    expected_us += made_up_us(lut::operator_key(block.ops[i], shapes.ops[i]));
  }
  EXPECT_NEAR(model.at(1, 2), expected_us, 1e-9 * expected_us);
}

TEST(LatencyModelTest, IsTheSameForAnyNumberOfThreads) {
  const Space space = load("fbnet");
  const lut::Table table = made_up_table(space, Precision::kInt8);
  const LatencyModel many = build_latency_model(space, table);
  const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 1);
  const LatencyModel one = build_latency_model(space, table);
  for (const lut::Statistic statistic : lut::kStatistics) {
    EXPECT_EQ(many.by(statistic).table_us, one.by(statistic).table_us);
    EXPECT_EQ(many.by(statistic).fixed_us, one.by(statistic).fixed_us);
  }
}

// The fixed part of `tiny` has eight operators, its second layer's third candidate four.
TEST(LatencyModelTest, HoldsEveryStatistic) {
  const Space space = load("tiny");
  std::vector<lut::Record> records;
  for (const MissingOperator& op : required_operators(space, Precision::kInt8)) {
    lut::Record record = made_up_record(op.key);
    record.p0_us = 90;
    record.p10_us = 95;
    record.p50_us = 100;
    record.p90_us = 120;
    record.p100_us = 200;
    records.push_back(record);
  }
  const LatencyModel model = build_latency_model(space, lut::Table::from_records(records, "uniform"));
  const std::pair<lut::Statistic, double> expected[] = {
      {lut::Statistic::kP0, 90},   {lut::Statistic::kP10, 95},   {lut::Statistic::kP50, 100},
      {lut::Statistic::kP90, 120}, {lut::Statistic::kP100, 200}, {lut::Statistic::kMean, 108.25}};
  for (const auto& [statistic, us] : expected) {
    EXPECT_NEAR(model.by(statistic).fixed_us, 8 * us, 1e-9);
    EXPECT_NEAR(model.at(1, 2, statistic), 4 * us, 1e-9);
    EXPECT_EQ(model.at(0, 1, statistic), 0);  // an identity
    EXPECT_NEAR(model.estimate_us({1, 2, 0, 0}, statistic), (8 + 0 + 4 + 5 + 3) * us, 1e-9);
  }
  EXPECT_EQ(model.at(1, 2), model.at(1, 2, lut::Statistic::kP50));
  EXPECT_EQ(model.estimate_us({1, 2, 0, 0}), model.estimate_us({1, 2, 0, 0}, lut::Statistic::kP50));
}

TEST(LatencyModelTest, SpreadIsThatOfEachOperatorSummed) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(space, Precision::kInt8);
  const std::vector<double> spread_us = build_latency_model(space, table).spread_us();
  ASSERT_EQ(spread_us.size(), 16u);
  double expected_us = 0;
  const net::Net block = lower_block(space, 1, 2, Precision::kInt8);
  const net::NetShapes shapes = net::infer_shapes(block);
  for (size_t i = 0; i < block.ops.size(); ++i) {
    const lut::Record record = made_up_record(lut::operator_key(block.ops[i], shapes.ops[i]));
    expected_us += record.p90_us - record.p10_us;
  }
  EXPECT_GT(expected_us, 0);
  EXPECT_NEAR(spread_us[1 * 4 + 2], expected_us, 1e-9 * expected_us);
  EXPECT_EQ(spread_us[0 * 4 + 1], 0);  // an identity
  EXPECT_EQ(spread_us[3 * 4 + 3], 0);  // not offered
}

// The minimum of the medians and the minimum of the p90 may come from different records.
TEST(LatencyModelTest, ModeJoinsTheStatisticOfEachRecord) {
  const Space space = load("tiny");
  std::vector<lut::Record> records;
  for (const MissingOperator& op : required_operators(space, Precision::kInt8)) {
    lut::Record record = made_up_record(op.key);
    record.p50_us = 10;
    record.p90_us = 30;
    records.push_back(record);
    record.p50_us = 20;
    record.p90_us = 21;
    records.push_back(record);
  }
  const LatencyModel model = build_latency_model(space, lut::Table::from_records(records, "repeated"),
                                                 {.device = "", .mode = lut::Mode::kMin});
  EXPECT_EQ(model.by(lut::Statistic::kP50).fixed_us, 8 * 10);
  EXPECT_EQ(model.by(lut::Statistic::kP90).fixed_us, 8 * 21);
}

void expect_value_error(const std::function<void()>& action, const std::string& message) {
  try {
    action();
    ADD_FAILURE() << "expected: " << message;
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(LatencyModelTest, ListsWhatIsMissingAndMasksTheCandidate) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(space, Precision::kInt8, [](const MissingOperator& op) {
    return op.used_by != std::vector<std::string>{"layer 2 k5_e3_g2"} &&
           op.key.op_type != "Int8ChannelShuffle";
  });
  const LatencyModel model = build_latency_model(space, table);
  EXPECT_TRUE(model.fixed_complete);
  EXPECT_FALSE(model.is_valid(1, 2));
  EXPECT_FALSE(model.is_valid(3, 1));  // its shuffle is missing, too
  EXPECT_TRUE(model.is_valid(1, 0));
  EXPECT_TRUE(model.is_valid(1, 1));
  EXPECT_EQ(model.at(1, 2), 0.0);
  ASSERT_FALSE(model.missing.empty());
  for (const MissingOperator& op : model.missing) {
    for (const std::string& user : op.used_by)
      EXPECT_THAT(user, testing::AnyOf("layer 2 k5_e3_g2", "layer 4 k5_e3_g2"));
  }
  EXPECT_GT(model.estimate_us({0, 1, 0, 0}), 0.0);
  expect_value_error(
      [&] {
        model.estimate_us({0, 2, 0, 0});
      },
      "layer 1 (counted from 0) must choose a candidate that is offered and priced, got 2");
}

TEST(LatencyModelTest, HasNoPriceWhileTheFixedPartIsIncomplete) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(
      space, Precision::kInt8, [](const MissingOperator& op) { return op.key.op_type != "Int8Softmax"; });
  const LatencyModel model = build_latency_model(space, table);
  EXPECT_FALSE(model.fixed_complete);
  ASSERT_EQ(model.missing.size(), 1u);
  EXPECT_EQ(model.missing[0].key.op_type, "Int8Softmax");
  EXPECT_THAT(model.missing[0].used_by, ElementsAre("fixed"));
  EXPECT_TRUE(model.is_valid(0, 0));
  expect_value_error(
      [&] {
        model.estimate_us({0, 0, 0, 0});
      },
      "an architecture has no price while operators outside the layers are missing from the table");
}

TEST(LatencyModelTest, AnEmptyTableMissesAllThatTheSpaceRequires) {
  const Space space = load("tiny");
  std::vector<lut::Record> records = {made_up_record({"Relu", {}, {{1}}, {net::DataType::kFloat}})};
  const lut::Table table = lut::Table::from_records(records, "nearly empty");
  const LatencyModel model = build_latency_model(space, table);
  const std::vector<MissingOperator> required = required_operators(space, Precision::kInt8);
  ASSERT_EQ(model.missing.size(), required.size());
  for (size_t i = 0; i < required.size(); ++i) {
    EXPECT_EQ(lut::canonical(model.missing[i].key), lut::canonical(required[i].key));
    EXPECT_EQ(model.missing[i].used_by, required[i].used_by);
  }
  EXPECT_TRUE(model.is_valid(0, 1));  // an identity needs no record
}

TEST(LatencyModelTest, RefusesArchitecturesThatDoNotFit) {
  const Space space = load("tiny");
  const LatencyModel model = build_latency_model(space, made_up_table(space, Precision::kInt8));
  expect_value_error(
      [&] {
        model.estimate_us({0, 0, 0});
      },
      "an architecture must choose for 4 layers, got 3");
  expect_value_error(
      [&] {
        model.estimate_us({0, 0, 0, 4});
      },
      "layer 3 (counted from 0) must choose a candidate from 0 to 3, got 4");
  expect_value_error(
      [&] {
        model.estimate_us({-1, 0, 0, 0});
      },
      "layer 0 (counted from 0) must choose a candidate from 0 to 3, got -1");
  expect_value_error(
      [&] {
        model.estimate_us({2, 0, 0, 0});
      },
      "layer 0 (counted from 0) must choose a candidate that is offered and priced, got 2");
}

TEST(LatencyModelTest, RefusesAnUnknownDevice) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(space, Precision::kInt8);
  EXPECT_THROW(
      build_latency_model(space, table, {.precision = Precision::kInt8, .device = "toaster", .mode = {}}),
      ValueError);
}

}  // namespace
}  // namespace latgrad::search
