#include "latgrad/profile/carriers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "latgrad/lut/describe.h"
#include "latgrad/profile/plan.h"
#include "shared_data.h"
#include "small_net.h"

namespace latgrad::profile {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

std::set<int> carried(const std::vector<Carrier>& carriers) {
  std::set<int> operators;
  for (const Carrier& carrier : carriers)
    operators.insert(carrier.operators.begin(), carrier.operators.end());
  operators.erase(kNotPlanned);
  return operators;
}

class SpaceCarriersTest : public ::testing::TestWithParam<const char*> {
 protected:
  SpaceCarriersTest()
      : space_(search::Space::load(source_file(std::string("data/spaces/") + GetParam() + ".textproto"))) {
    plan_.add_space(space_, search::Precision::kInt8);
    carriers_.emplace(plan_.operators());
    carriers_->add_space(space_, search::Precision::kInt8);
  }

  search::Space space_;
  Plan plan_;
  std::optional<Carriers> carriers_;
  std::mt19937_64 random_{7};
};

TEST_P(SpaceCarriersTest, ARoundRunsEveryOperator) {
  std::vector<Carrier> round = carriers_->round(std::vector<bool>(plan_.operators().size(), true), random_);
  EXPECT_THAT(carried(round), SizeIs(plan_.operators().size()));
  EXPECT_LE(round.size(), space_.max_candidates());
}

TEST_P(SpaceCarriersTest, EachOperatorCanBeCarriedAlone) {
  for (size_t op = 0; op < plan_.operators().size(); ++op) {
    std::vector<bool> needed(plan_.operators().size());
    needed[op] = true;
    std::vector<Carrier> round = carriers_->round(needed, random_);
    EXPECT_TRUE(carried(round).contains(static_cast<int>(op))) << lut::describe(plan_.operators()[op]);
  }
}

TEST_P(SpaceCarriersTest, WhereNothingIsNeededNothingRuns) {
  EXPECT_THAT(carriers_->round(std::vector<bool>(plan_.operators().size()), random_), IsEmpty());
}

TEST_P(SpaceCarriersTest, TheSeedMakesTheRound) {
  std::vector<bool> all(plan_.operators().size(), true);
  auto names = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::string> names;
    for (const Carrier& carrier : carriers_->round(all, random)) names.push_back(carrier.name);
    return names;
  };
  EXPECT_EQ(names(1), names(1));
  EXPECT_NE(names(1), names(2));
}

INSTANTIATE_TEST_SUITE_P(, SpaceCarriersTest, ::testing::Values("tiny", "fbnet", "fbnet_96", "chamnet_a"),
                         [](const auto& info) { return std::string(info.param); });

TEST(CarriersTest, ANetworkCarriesItsOwnOperators) {
  Plan plan;
  plan.add_net(small_net());
  Carriers carriers(plan.operators());
  carriers.add_net("small", small_net());
  std::mt19937_64 random(0);
  std::vector<Carrier> round = carriers.round({true, true, true}, random);
  ASSERT_THAT(round, SizeIs(1));
  EXPECT_EQ(round[0].name, "small");
  EXPECT_THAT(round[0].operators, ::testing::ElementsAre(0, 0, 1, 1, 2));
  EXPECT_THAT(carriers.round({false, false, true}, random), SizeIs(1));
  EXPECT_THAT(carriers.round({false, false, false}, random), IsEmpty());
}

TEST(CarriersTest, WhatIsNotPlannedIsMarked) {
  Plan plan;
  plan.add_net(small_net());
  std::vector<lut::OperatorKey> only_conv = {plan.operators()[1]};
  Carriers carriers(only_conv);
  carriers.add_net("small", small_net());
  std::mt19937_64 random(0);
  EXPECT_THAT(carriers.round({true}, random)[0].operators,
              ::testing::ElementsAre(kNotPlanned, kNotPlanned, 0, 0, kNotPlanned));
}

}  // namespace
}  // namespace latgrad::profile
