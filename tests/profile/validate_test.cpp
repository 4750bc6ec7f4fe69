#include "latgrad/profile/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"
#include "latgrad/search/lowering.h"
#include "search/made_up_table.h"
#include "shared_data.h"

namespace latgrad::profile {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const lut::EstimateOptions kPricing{.device = "made-up"};

search::Space tiny() { return search::Space::load(source_file("data/spaces/tiny.textproto")); }

// A machine on which a whole network takes the sum of its operators' made-up times, which is what the made-up
// table says, times a factor, times noise.
class MadeUpRunner : public runner::Runner {
 public:
  double factor = 1;        // of every operator, and so of every network
  double whole_factor = 1;  // of networks beyond the sum of their operators
  double noise = 0;         // largest, either way
  std::string cannot_run;   // operator type
  std::vector<double> log;  // the times of the networks without noise, in the order in which they were run

  runner::RunnerInfo open(const runner::RunnerSettings&) override { return {}; }

  runner::Timings measure(const runner::MeasureRequest& request) override {
    EXPECT_EQ(request.timing, runner::Timing::kWhole);
    EXPECT_EQ(request.warmup, 1);
    runner::Timings timings;
    double sum_us = 0;
    for (const runner::ChainOperator& link : request.chain) {
      const bool runs = link.key.op_type != cannot_run;
      timings.unsupported.push_back(runs ? "" : "no kernel");
      std::vector<double>& samples_us = timings.operators_us.emplace_back();
      if (!runs) continue;
      sum_us += search::made_up_us(link.key);
      samples_us.assign(static_cast<size_t>(request.samples), search::made_up_us(link.key) * factor);
    }
    log.push_back(sum_us);
    for (int i = 0; i < request.samples; ++i) {
      const double deviation = noise * (static_cast<double>(random_() % 2001) / 1000 - 1);
      timings.total_us.push_back(sum_us * factor * whole_factor * (1 + deviation));
    }
    size_t op = 0;
    for (const size_t size : request.parts) {
      double part_us = 0;
      for (size_t end = op + size; op < end; ++op) part_us += search::made_up_us(request.chain[op].key);
      timings.parts_us.emplace_back(static_cast<size_t>(request.samples), part_us * factor * whole_factor);
    }
    return timings;
  }

 private:
  std::mt19937_64 random_{5};
};

net::Net small_net() {
  net::Net net = net::parse_netdef_text(R"(
name: "small"
external_input: "data"
external_output: "y"
op { input: "data" output: "a" type: "Relu" }
op { input: "a" output: "b" type: "NewOperator" }
op { input: "b" output: "y" type: "Softmax" }
)",
                                        "small.pbtxt");
  net.inputs["data"] = {{1, 8}, net::DataType::kFloat};
  return net;
}

std::vector<std::string> names(const std::vector<Subject>& subjects) {
  std::vector<std::string> names;
  for (const Subject& subject : subjects) names.push_back(subject.name);
  return names;
}

class ValidateTest : public ::testing::Test {
 protected:
  Subjects subjects(SubjectOptions options = {.random = 6}) const {
    options.space = &space_;
    return make_subjects(options, &table_, kPricing);
  }

  search::Space space_ = tiny();
  lut::Table table_ = search::made_up_table(space_, search::Precision::kInt8);
  MadeUpRunner runner_;
};

// ---- what is measured ----

TEST_F(ValidateTest, TakesNetworksThenNamedThenRandomArchitectures) {
  const std::vector<NamedNet> nets = {
      {"given", search::lower(space_, space_.parse_architecture("0000"), search::Precision::kInt8)}};
  const Subjects made = subjects({.nets = nets, .named = true, .random = 3});
  ASSERT_THAT(made.priced, SizeIs(6));
  EXPECT_THAT(made.unpriced, IsEmpty());
  EXPECT_FALSE(made.priced[0].from_space);
  EXPECT_EQ(made.priced[0].name, "given");
  EXPECT_EQ(made.priced[1].name, "smallest");
  EXPECT_EQ(made.priced[2].name, "largest");
  for (size_t i = 1; i < 6; ++i) {
    // Each name is one that the command takes, and gives the network that is priced.
    const Subject& subject = made.priced[i];
    EXPECT_TRUE(subject.from_space);
    const net::Net net =
        search::lower(space_, space_.parse_architecture(subject.name), search::Precision::kInt8);
    const net::NetShapes shapes = net::infer_shapes(net);
    EXPECT_EQ(subject.predicted_us, *lut::estimate(net, shapes, table_, kPricing).total_us());
    EXPECT_EQ(subject.chain.size(), net.ops.size());
  }
}

TEST_F(ValidateTest, HasNoArchitectureTwiceAndEveryOneOfASmallSpace) {
  const std::vector<std::string> all = names(subjects({.named = true, .random = 100}).priced);
  EXPECT_THAT(all, SizeIs(18));  // as the space says
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 18u);
}

TEST_F(ValidateTest, ChoosesBySeed) {
  EXPECT_EQ(names(subjects({.random = 6, .seed = 1}).priced),
            names(subjects({.random = 6, .seed = 1}).priced));
  EXPECT_NE(names(subjects({.random = 6, .seed = 1}).priced),
            names(subjects({.random = 6, .seed = 2}).priced));
}

TEST_F(ValidateTest, ListsWhatTheTableCannotPrice) {
  const lut::Table table = search::made_up_table(
      space_, search::Precision::kInt8,
      [](const search::MissingOperator& op) { return op.key.op_type != "Int8ChannelShuffle"; });
  const Subjects made = make_subjects({.space = &space_, .named = true, .random = 100}, &table, kPricing);
  EXPECT_EQ(made.priced.size() + made.unpriced.size(), 18u);
  EXPECT_THAT(made.priced, SizeIs(8));  // two layers without a block of groups
  EXPECT_EQ(made.unpriced[0].name, "largest");
  ASSERT_THAT(made.unpriced[0].missing, SizeIs(2));
  EXPECT_EQ(made.unpriced[0].missing[0].op_type, "Int8ChannelShuffle");
}

TEST_F(ValidateTest, ListsOperatorsOfUnknownTypeAndWhatDependsOnThem) {
  const std::vector<NamedNet> nets = {{"small", small_net()}};
  const Subjects made = make_subjects({.nets = nets}, &table_, kPricing);
  EXPECT_THAT(made.priced, IsEmpty());
  ASSERT_THAT(made.unpriced, SizeIs(1));
  EXPECT_EQ(made.unpriced[0].name, "small");
  ASSERT_THAT(made.unpriced[0].missing, SizeIs(1));
  EXPECT_EQ(made.unpriced[0].missing[0].op_type, "Relu");
  EXPECT_THAT(made.unpriced[0].unknown_types, ElementsAre("NewOperator", "Softmax"));
}

// ---- how well it agrees ----

TEST_F(ValidateTest, FindsThatAPerfectPredictionIsPerfect) {
  const Subjects made = subjects();
  const ValidateResult result = validate(made.priced, nullptr, runner_, kValidateRounds);
  ASSERT_THAT(result.nets, SizeIs(6));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(result.nets[i].name, made.priced[i].name);
    EXPECT_EQ(result.nets[i].time.predicted_us, made.priced[i].predicted_us);
    EXPECT_EQ(result.nets[i].relative_error, 0);
    EXPECT_NEAR(result.nets[i].interval->low_us, result.nets[i].time.measured_us, 1e-3);  // rounded to ns
    EXPECT_NEAR(result.nets[i].interval->high_us, result.nets[i].time.measured_us, 1e-3);
  }
  EXPECT_NEAR(result.agreement->mape, 0, 1e-6);  // times are rounded to a nanosecond
  EXPECT_EQ(result.agreement->tau, 1);
  EXPECT_FALSE(result.budget_spent);
  EXPECT_EQ(result.rounds, 6u);  // the fewest that give an interval
}

TEST_F(ValidateTest, FindsThatASlowerMachineIsPricedTooLow) {
  runner_.factor = 1 / 0.95;
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, kValidateRounds);
  EXPECT_NEAR(result.agreement->bias, -0.05, 1e-6);
  EXPECT_NEAR(result.agreement->mape, 0.05, 1e-6);
  EXPECT_EQ(result.agreement->tau, 1);
  // Its networks are the sums of its operators all the same.
  EXPECT_NEAR(result.agreement_now->mape, 0, 1e-6);
  EXPECT_EQ(result.agreement_now->tau, 1);
}

TEST_F(ValidateTest, AveragesNoiseAwayUntilTheTargetIsReached) {
  runner_.noise = 0.05;
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, {.target = 0.01});
  EXPECT_GT(result.rounds, 6u);
  EXPECT_FALSE(result.budget_spent);
  for (const ValidatedNet& net : result.nets) {
    EXPECT_LE(*net.relative_error, 0.01);
    EXPECT_LE(net.interval->low_us, net.time.measured_us);
    EXPECT_GE(net.interval->high_us, net.time.measured_us);
    EXPECT_NEAR(net.time.error(), 0, 0.03);
  }
}

TEST_F(ValidateTest, MeasuresTheOthersWhereANetworkCannotRun) {
  runner_.cannot_run = "Int8ChannelShuffle";
  const ValidateResult result = validate(subjects({.named = true}).priced, nullptr, runner_, kValidateRounds);
  ASSERT_THAT(result.nets, SizeIs(1));
  EXPECT_EQ(result.nets[0].name, "smallest");
  ASSERT_THAT(result.unmeasured, SizeIs(1));
  EXPECT_EQ(result.unmeasured[0].name, "largest");
  EXPECT_THAT(result.unmeasured[0].reasons, Each(HasSubstr("no kernel: Int8ChannelShuffle [1,")));
  EXPECT_THAT(result.unmeasured[0].reasons, SizeIs(2));  // two layers of groups
  EXPECT_EQ(result.agreement->pairs, 1u);
  // It was tried once.
  EXPECT_EQ(runner_.log.size(), result.nets[0].visits + 1);
}

TEST_F(ValidateTest, HasNoAgreementWhereNothingRuns) {
  runner_.cannot_run = "Int8Quantize";
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, kValidateRounds);
  EXPECT_THAT(result.unmeasured, SizeIs(6));
  EXPECT_FALSE(result.agreement);
  EXPECT_FALSE(validate({}, nullptr, runner_, kValidateRounds).agreement);
}

TEST_F(ValidateTest, CannotCompareANetworkThatTakesNoTime) {
  runner_.factor = 0;
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, kValidateRounds);
  EXPECT_THAT(result.unmeasured, SizeIs(6));
  EXPECT_THAT(result.unmeasured[0].reasons, ElementsAre("it took no time by the runner's clock"));
}

TEST_F(ValidateTest, ComparesWithTheWholeNetworkAndNotWithItsOperators) {
  runner_.whole_factor = 1.1;
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, kValidateRounds);
  EXPECT_NEAR(result.agreement->bias, 1 / 1.1 - 1, 1e-6);
  EXPECT_NEAR(result.agreement_now->bias, 1 / 1.1 - 1, 1e-6);  // no drift explains it
  EXPECT_NEAR(*result.operators_now, 1, 1e-9);
  // The reference's time is a sum of operators, so that it does not hide what networks take beyond theirs.
  const Reference reference = space_reference(space_, search::Precision::kInt8);
  EXPECT_NEAR(validate(subjects().priced, &reference, runner_, kValidateRounds).agreement->bias, 1 / 1.1 - 1,
              1e-6);
}

TEST_F(ValidateTest, SaysHowMuchSlowerTheMachineIsNow) {
  runner_.factor = 1.05;
  EXPECT_NEAR(*validate(subjects().priced, nullptr, runner_, kValidateRounds).operators_now, 1.05, 1e-9);
}

TEST_F(ValidateTest, TheReferenceOfTheTableTellsHowFastTheMachineIsToday) {
  Reference reference = space_reference(space_, search::Precision::kInt8);
  for (const runner::ChainOperator& link : reference.chain) {
    reference.time_us += search::made_up_us(link.key);
  }
  runner_.factor = 1.4;
  const ValidateResult result = validate(subjects().priced, &reference, runner_, kValidateRounds);
  EXPECT_NEAR(result.agreement->mape, 0, 1e-6);
  EXPECT_NEAR(result.agreement_now->mape, 0, 1e-6);
  EXPECT_EQ(result.reference->name, space_reference(space_, search::Precision::kInt8).name);
  EXPECT_DOUBLE_EQ(result.reference->time_us, reference.time_us);
  EXPECT_NEAR(result.reference_now_us / reference.time_us, 1.4, 1e-9);
  EXPECT_NEAR(*result.unsteadiness, 0, 1e-9);
  EXPECT_EQ(result.runs, 6 * 3 * 6u);
  EXPECT_EQ(result.discarded_runs, 0u);
  // A table that does not say its reference's time is compared with what there is today.
  reference.time_us = 0;
  EXPECT_NEAR(validate(subjects().priced, &reference, runner_, kValidateRounds).agreement->bias, 1 / 1.4 - 1,
              1e-6);
}

// ---- rounds ----

TEST_F(ValidateTest, VisitsEveryNetworkOnceARoundInAnotherOrder) {
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, kValidateRounds);
  ASSERT_EQ(runner_.log.size(), 6 * result.rounds);
  std::set<std::vector<double>> orders;
  for (size_t round = 0; round < result.rounds; ++round) {
    const auto begin = runner_.log.begin() + static_cast<std::ptrdiff_t>(6 * round);
    const std::vector<double> order(begin, begin + 6);
    EXPECT_EQ(std::set<double>(order.begin(), order.end()).size(), 6u);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 3u);
}

TEST_F(ValidateTest, IsTheSameForTheSameSeed) {
  std::vector<std::vector<double>> logs;
  for (uint64_t seed : {1u, 1u, 2u}) {
    MadeUpRunner runner;
    validate(subjects().priced, nullptr, runner, {.seed = seed});
    logs.push_back(runner.log);
  }
  EXPECT_EQ(logs[0], logs[1]);
  EXPECT_NE(logs[0], logs[2]);
}

TEST_F(ValidateTest, EndsAfterTheFirstRoundWhenTheBudgetIsSpent) {
  runner_.noise = 0.5;
  const ValidateResult result = validate(subjects().priced, nullptr, runner_, {.budget_s = 1e-9});
  EXPECT_TRUE(result.budget_spent);
  EXPECT_EQ(result.rounds, 1u);
  for (const ValidatedNet& net : result.nets) {
    EXPECT_EQ(net.visits, 1u);
    EXPECT_FALSE(net.interval);
    EXPECT_FALSE(net.relative_error);
  }
  EXPECT_EQ(result.agreement->pairs, 6u);
}

TEST_F(ValidateTest, TellsHowFarItIs) {
  std::vector<size_t> settled;
  bool any_left = false;
  validate(subjects().priced, nullptr, runner_, kValidateRounds,
           {.on_visit = [&](const ValidateVisit& visit) {
             EXPECT_EQ(visit.total, 6u);
             settled.push_back(visit.settled);
             any_left = any_left || visit.left_s.has_value();
           }});
  EXPECT_THAT(settled, SizeIs(36));
  EXPECT_EQ(settled.front(), 0u);
  EXPECT_TRUE(any_left);
}

TEST_F(ValidateTest, StopsBeforeTheNextVisitWhenAsked) {
  size_t visits = 0;
  const ValidateResult result = validate(
      subjects().priced, nullptr, runner_, kValidateRounds,
      {.on_visit = [&](const ValidateVisit&) { ++visits; }, .stop_requested = [&] { return visits == 2; }});
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(visits, 2u);
  EXPECT_THAT(result.nets, IsEmpty());
}

TEST_F(ValidateTest, RefusesOptionsOutOfRange) {
  EXPECT_THROW(validate({}, nullptr, runner_, {.warmup = -1}), ValueError);
  EXPECT_THROW(validate({}, nullptr, runner_, {.samples_per_visit = 0}), ValueError);
  EXPECT_THROW(validate({}, nullptr, runner_, {.target = 0}), ValueError);
  EXPECT_THROW(validate({}, nullptr, runner_, {.budget_s = -1}), ValueError);
  EXPECT_THROW(validate({}, nullptr, runner_, {.flank_tolerance = 0}), ValueError);
}

// ---- real networks ----

TEST(ValidateZooTest, PricesAPublishedNetworkByTheTableOfTheRepository) {
  LATGRAD_NEED_SHARED("zoo");
  const std::vector<NamedNet> nets =
      read_nets({.nets = {shared_data("zoo/FBNet-C/int8")}, .inits = {}, .inputs = {}});
  const lut::Table table =
      lut::Table::load(source_file("data/luts/amd-epyc-family25-model1-qnnpack-op_lut_database.json.zip"));
  const Subjects made = make_subjects({.nets = nets}, &table, {});
  ASSERT_THAT(made.priced, SizeIs(1));
  EXPECT_EQ(made.priced[0].name, "FBNet-C/int8");
  EXPECT_FALSE(made.priced[0].from_space);
  EXPECT_THAT(made.priced[0].chain, SizeIs(nets[0].net.ops.size()));
}

}  // namespace
}  // namespace latgrad::profile
