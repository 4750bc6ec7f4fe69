#include "latgrad/search/estimate_missing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/lut/operator_net.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/physical_totals.h"
#include "made_up_table.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using ::testing::HasSubstr;

Space load(const char* name) {
  return Space::load(source_file(std::string("data/spaces/") + name + ".textproto"));
}

// A device that takes 5 us for a call, and more for what an operator does.
double device_us(const lut::OperatorKey& key) {
  const net::Net net = lut::operator_net(key);
  const PhysicalTotals totals = physical_totals(net.ops[0], net::infer_shapes(net).ops[0]);
  return 5 * totals[kCalls] + totals[kMacs] / 1e4 + totals[kDepthwiseMacs] / 2e3 +
         totals[kActivationBytes] / 1e4;
}

// All operators of the space but every third.
lut::Table table_of(const Space& space) {
  std::vector<lut::Record> records;
  size_t count = 0;
  for (const MissingOperator& op : required_operators(space, Precision::kInt8)) {
    if (++count % 3 == 0) continue;
    lut::Record record = made_up_record(op.key);
    record.p0_us = record.p10_us = record.p50_us = record.p90_us = record.p100_us = device_us(op.key);
    records.push_back(std::move(record));
  }
  return lut::Table::from_records(std::move(records), "made-up");
}

TEST(EstimateMissingTest, WhatIsMissingIsEstimatedFromTheOthers) {
  const Space space = load("fbnet");
  const lut::Table table = table_of(space);
  const net::Net net = lower(space, space.parse_architecture("FBNet-C"), Precision::kInt8);
  const net::NetShapes shapes = net::infer_shapes(net);
  const lut::Estimate before = lut::estimate(net, shapes, table, {});
  ASSERT_FALSE(before.all_found);
  lut::Estimate after = before;
  estimate_missing(after, net, shapes, table, {});
  EXPECT_TRUE(after.all_found);
  double true_us = 0;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const double time_us = device_us(lut::operator_key(net.ops[i], shapes.ops[i]));
    true_us += time_us;
    if (before.ops[i].time_us) {
      EXPECT_EQ(after.ops[i].status, lut::Status::kExact);
      EXPECT_EQ(after.ops[i].time_us, before.ops[i].time_us);
    } else {
      EXPECT_EQ(after.ops[i].status, lut::Status::kEstimated);
      ASSERT_TRUE(after.ops[i].error_us);
      EXPECT_LT(std::abs(*after.ops[i].time_us - time_us), 4 * *after.ops[i].error_us + 0.1 * time_us) << i;
    }
  }
  EXPECT_NEAR(*after.total_us() / true_us, 1, 0.05);
}

TEST(EstimateMissingTest, ACompleteEstimateStaysAsItIs) {
  const Space space = load("tiny");
  const lut::Table table = made_up_table(space, Precision::kInt8);
  const net::Net net = lower(space, space.parse_architecture("smallest"), Precision::kInt8);
  const net::NetShapes shapes = net::infer_shapes(net);
  lut::Estimate estimate = lut::estimate(net, shapes, table, {});
  const double total_us = *estimate.total_us();
  estimate_missing(estimate, net, shapes, table, {});
  EXPECT_EQ(estimate.total_us(), total_us);
}

TEST(EstimateMissingTest, ATableWithHardlyAnyRecordsIsRefused) {
  const Space space = load("tiny");
  size_t kept = 0;
  const lut::Table table =
      made_up_table(space, Precision::kInt8, [&](const MissingOperator&) { return ++kept <= 2; });
  const net::Net net = lower(space, space.parse_architecture("smallest"), Precision::kInt8);
  const net::NetShapes shapes = net::infer_shapes(net);
  lut::Estimate estimate = lut::estimate(net, shapes, table, {});
  LATGRAD_EXPECT_ERROR(
      estimate_missing(estimate, net, shapes, table, {}), ValueError,
      HasSubstr("a table must have at least 3 records of the device to estimate others, got 2"));
}

}  // namespace
}  // namespace latgrad::search
