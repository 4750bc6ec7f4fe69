#include "latgrad/profile/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "latgrad/search/latency_model.h"
#include "shared_data.h"
#include "small_net.h"

namespace latgrad::profile {
namespace {

using lut::OperatorKey;
using net::DataType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::vector<std::string> types(const std::vector<OperatorKey>& operators) {
  std::vector<std::string> types;
  for (const OperatorKey& key : operators) types.push_back(key.op_type);
  return types;
}

TEST(PlanTest, HoldsAnOperatorOnceWhateverTheSpellingOfItsArguments) {
  Plan plan;
  plan.add_net(small_net());
  EXPECT_THAT(types(plan.operators()), ElementsAre("Relu", "Conv", "Softmax"));
  plan.add_net(small_net());
  EXPECT_THAT(plan.operators(), SizeIs(3));
  EXPECT_THAT(plan.missing(), IsEmpty());
}

TEST(PlanTest, DropsWhatATableHoldsForTheDevice) {
  Plan plan;
  plan.add_net(small_net());
  lut::Record record;
  record.op_type = "Relu";
  record.input_shapes = {{1, 8, 4, 4}};
  record.input_dtypes = {DataType::kFloat};
  record.p50_us = 3;
  record.device = "phone";
  lut::Table table = lut::Table::from_records({record}, "phone.json");

  Plan other = plan;
  other.drop_known(table, "tablet");
  EXPECT_THAT(other.operators(), SizeIs(3));
  EXPECT_EQ(other.num_known(), 0u);
  plan.drop_known(table, "phone");
  EXPECT_THAT(types(plan.operators()), ElementsAre("Conv", "Softmax"));
  EXPECT_EQ(plan.num_known(), 1u);
}

TEST(PlanTest, ListsOperatorsOfUnknownShapeAsMissing) {
  net::Net net = small_net();
  net.ops[1].type = "Mystery";
  Plan plan;
  plan.add_net(net);
  EXPECT_THAT(types(plan.operators()), ElementsAre("Relu"));
  ASSERT_THAT(plan.missing(), SizeIs(4));
  EXPECT_EQ(plan.missing()[0].op_type, "Mystery");
  EXPECT_EQ(plan.missing()[0].description, "Mystery of unknown shape (small.pbtxt, op 1)");
  EXPECT_THAT(plan.missing()[0].reason, HasSubstr("shape inference does not support"));
}

TEST(PlanTest, CoversEveryOperatorOfASpace) {
  search::Space space = search::Space::load(source_file("data/spaces/tiny.textproto"));
  Plan plan;
  plan.add_space(space, search::Precision::kInt8);
  std::vector<std::string> planned, required;
  for (const OperatorKey& key : plan.operators()) planned.push_back(lut::canonical(key));
  for (const auto& op : search::required_operators(space, search::Precision::kInt8)) {
    required.push_back(lut::canonical(op.key));
  }
  EXPECT_EQ(planned, required);
  EXPECT_THAT(planned, Not(IsEmpty()));
}

}  // namespace
}  // namespace latgrad::profile
