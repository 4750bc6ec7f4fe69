// Tables and validations by an engine that takes networks whole.

#include "latgrad/profile/network_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/report.h"
#include "latgrad/profile/run.h"
#include "latgrad/profile/validation.h"
#include "latgrad/runner/chain.h"
#include "latgrad/search/lowering.h"
#include "made_up_engine.h"
#include "made_up_runner.h"
#include "shared_data.h"
#include "small_net.h"
#include "temporary_folder.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

const fs::path kSpace = source_file("data/spaces/fbnet.textproto");

search::Space fbnet() { return search::Space::load(kSpace); }

net::Net some_net() { return search::lower(fbnet(), search::Architecture(22, 3), search::Precision::kFp32); }

// ---- one network ----

// On a machine that is slower by 30 to 100 % for 0.1 to 5 s, and noisy by a percent.
TEST(NetworkTimerTest, RatiosHoldWhereRawTimesDoNot) {
  MadeUpEngine engine;
  SlowPhases phases(3);
  std::mt19937_64 random(4);
  engine.factor = [&] {
    const double noise = 0.005 * (static_cast<double>(random() % 2001) / 1000 - 1);
    return phases.factor_at(engine.clock_us) * (1 + noise);
  };
  const Reference reference = space_reference(fbnet(), search::Precision::kFp32);
  NetworkTimer timer({reference}, engine);
  ASSERT_TRUE(timer.reference());
  const net::Net net = some_net();
  size_t raw_far = 0;
  size_t far = 0;
  constexpr int kVisits = 300;
  for (int i = 0; i < kVisits; ++i) {
    const NetworkVisit visit = timer.time(net, kNetworkRounds);
    std::vector<double> kept =
        counted(visit.total_us, visit.flanks, engine.time_us(0), kNetworkRounds.flank_tolerance);
    ASSERT_EQ(visit.flanks.size(), visit.total_us.size());
    const double truth_us = engine.time_us(1);
    if (std::abs(percentile(visit.total_us, 50) / truth_us - 1) > 0.2) ++raw_far;
    if (kept.empty() || std::abs(centre(kept).value_us / truth_us - 1) > 0.01) ++far;
  }
  EXPECT_GT(raw_far, kVisits / 4);
  EXPECT_LT(far, kVisits / 50);
}

TEST(NetworkTimerTest, WithoutAReferenceTimesComeAsTheyAre) {
  MadeUpEngine engine;
  NetworkTimer timer({}, engine);
  EXPECT_FALSE(timer.reference());
  EXPECT_EQ(timer.unsupported_reference(), "");
  const NetworkVisit visit = timer.time(some_net(), kNetworkRounds);
  EXPECT_THAT(visit.total_us, ::testing::Each(engine.time_us(1)));
  EXPECT_TRUE(visit.flanks.empty());
}

TEST(NetworkTimerTest, SaysWhyANetworkCannotRun) {
  MadeUpEngine engine;
  engine.cannot_run = "Softmax";
  const Reference reference = space_reference(fbnet(), search::Precision::kFp32);
  NetworkTimer timer({reference}, engine);
  EXPECT_FALSE(timer.reference());
  EXPECT_EQ(timer.unsupported_reference(), "the engine cannot run the reference network, " + reference.name +
                                               ": no kernel for operator type Softmax");
  EXPECT_EQ(timer.time(some_net(), kNetworkRounds).unsupported, "no kernel for operator type Softmax");
}

// Where the first one cannot run, the next one stands in.
TEST(NetworkTimerTest, TakesTheFirstReferenceThatRuns) {
  MadeUpEngine engine;
  engine.cannot_run = "Sigmoid";
  net::Net sigmoid = net::parse_netdef_text(
      R"(op { input: "x" output: "y" type: "Sigmoid" } external_input: "x" external_output: "y")", "s.pbtxt");
  sigmoid.inputs["x"] = {{1, 5}, net::DataType::kFloat};
  const Reference other = space_reference(fbnet(), search::Precision::kFp32);
  const NetworkTimer timer({net_reference("sigmoid", sigmoid), other}, engine);
  ASSERT_TRUE(timer.reference());
  EXPECT_EQ(timer.reference()->name, other.name);
}

TEST(NetworkTimerTest, AReferenceThatIsLostIsAnError) {
  MadeUpEngine engine;
  NetworkTimer timer({space_reference(fbnet(), search::Precision::kFp32)}, engine);
  const net::Net net = small_net();
  for (int visit = 0; visit < 3; ++visit) EXPECT_EQ(timer.time(net, kNetworkRounds).unsupported, "");
  engine.cannot_run = "AveragePool";
  LATGRAD_EXPECT_ERROR(timer.time(net, kNetworkRounds), runner::RunnerError,
                       HasSubstr("no longer: no kernel for operator type AveragePool"));
}

// Of a table of operators the reference is its chain alone; as a network it takes the same time.
TEST(NetworkTimerTest, AReferenceFromAChainIsTheSame) {
  for (const search::Precision precision : {search::Precision::kInt8, search::Precision::kFp32}) {
    MadeUpEngine engine;
    Reference reference = space_reference(fbnet(), precision);
    NetworkTimer of_space({reference}, engine);
    const double time_us = engine.time_us(0);
    reference.net.reset();
    NetworkTimer of_table({reference}, engine);
    ASSERT_TRUE(of_table.reference()) << of_table.unsupported_reference();
    EXPECT_DOUBLE_EQ(engine.time_us(0), time_us);
  }
}

// ---- a table ----

class NetworkRunTest : public ::testing::Test {
 protected:
  NetworkRunTest() {
    // Fused: what only maps costs nothing; every convolution deviates by up to 20 % from the line.
    engine_.operator_us = [](const net::Operator& op, const net::OpShapes& shapes) {
      if (op.type == "Relu") return 0.0;
      double line_us = 3 + static_cast<double>(shapes.macs.value_or(0)) / 2e4;
      if (shapes.macs.value_or(0) > 0) {
        const size_t hash = std::hash<std::string>()(net::to_string(shapes.inputs[0].shape) +
                                                     net::to_string(shapes.inputs[1].shape));
        line_us *= 0.8 + 0.4 * static_cast<double>(hash % 1000) / 1000;
      }
      return line_us;
    };
    options_.spaces = {kSpace};
    options_.precisions = {search::Precision::kFp32};
    options_.device = "phone";
    options_.output = folder_ / "phone.json";
    options_.runner.engine = "made-up";
    options_.measure = kNetworkRounds;
    options_.measure.samples_per_visit = 2;
  }

  RunResult run_it(std::function<bool()> stop = nullptr) { return run(options_, engine_, progress_, stop); }

  ValidationOptions validation_options() const {
    ValidationOptions options;
    options.lut = options_.output;
    options.space = kSpace;
    options.precision = search::Precision::kFp32;
    options.runner.engine = "made-up";
    return options;
  }

  ValidationReport validate_it() {
    ValidationOptions options = validation_options();
    options.random = 40;
    options.rounds.seed = 9;
    return run_validation(options, engine_, progress_, {});
  }

  TemporaryFolder folder_;
  MadeUpEngine engine_;
  Options options_;
  std::ostringstream out_;
  Progress progress_{out_, Progress::Style::kQuiet, 80};
};

TEST_F(NetworkRunTest, TheTablePredictsOtherArchitectures) {
  const RunResult result = run_it();
  EXPECT_TRUE(result.missing.empty());
  ASSERT_TRUE(result.inference);
  EXPECT_EQ(result.inference->networks.size(), 80U);
  EXPECT_LT(result.inference->left_out.mape, 0.01);
  EXPECT_GE(result.inference->covered, 68U);
  EXPECT_EQ(result.measured, result.planned);
  const ValidationReport report = validate_it();
  ASSERT_TRUE(report.result.agreement);
  EXPECT_EQ(report.result.agreement->pairs, 40U);
  EXPECT_LT(report.result.agreement->mape, 0.01);
  EXPECT_EQ(report.result.agreement->within_5_percent, 40U);
  EXPECT_FALSE(report.result.agreement_now);  // no operators were timed
  EXPECT_FALSE(report.result.operators_now);
  EXPECT_TRUE(report.table_differs.empty());
}

// The next day the machine is half as fast: prices are at the speed of the table's reference.
TEST_F(NetworkRunTest, ATableIsValidatedAtItsOwnSpeed) {
  run_it();
  engine_.factor = [] { return 2.0; };
  const ValidationReport report = validate_it();
  EXPECT_LT(report.result.agreement->mape, 0.01);
  EXPECT_NEAR(report.result.reference_now_us / report.result.reference->time_us, 2, 1e-3);
}

TEST_F(NetworkRunTest, TheEnginesOwnTimesAreCompared) {
  run_it();
  engine_.factor = [] { return 1.5; };
  ValidationOptions options = validation_options();
  options.random = 5;
  EXPECT_EQ(run_validation(options, engine_, progress_, {}).result.nets[0].nodes_us, 0);
  options.nodes = true;
  for (const ValidatedNet& net : run_validation(options, engine_, progress_, {}).result.nets) {
    EXPECT_NEAR(net.nodes_us + engine_.call_us, net.time.measured_us, 0.01);
  }
}

TEST_F(NetworkRunTest, TheReportAndTheProvenanceSayWhatItComesFrom) {
  options_.num_networks = 30;
  const RunResult result = run_it();
  EXPECT_THAT(report_text(options_, result),
              AllOf(HasSubstr(" operators from 30 whole networks in "), HasSubstr("within 5 %: ")));
  EXPECT_THAT(report_json(result), HasSubstr("\"inferred\": {\n    \"networks\": 30"));
  EXPECT_THAT(
      folder_.read("phone.provenance.json"),
      AllOf(HasSubstr("The engine times whole networks"), HasSubstr("\"inferred\": {\n"),
            HasSubstr("\"left_out_us\": "), HasSubstr("\"name\": \"fbnet/fp32 2222222222222222222222\"")));
}

// A network whose chain says too little to run it: values of shapes, the second output of a split. The
// provenance has it as ONNX.
TEST_F(NetworkRunTest, TheReferenceOfATableIsTheNetworkItself) {
  folder_.write("net.pbtxt", R"(
      op { input: "x" output: "a" output: "b" type: "Split" arg { name: "axis" i: 1 } arg { name: "split" ints: 3 ints: 5 } }
      op { input: "b" output: "y" type: "Relu" } external_input: "x" external_output: "a" external_output: "y")");
  folder_.write("shapes.json", R"({"inputs": {"x": [1, 8, 4, 4]}, "params": {}, "blobs": {}})");
  options_.networks.nets = {folder_ / "net.pbtxt"};
  options_.num_networks = 30;
  run_it();
  Reference reference = *read_reference(options_.output);
  EXPECT_FALSE(reference.onnx.empty());
  NetworkTimer timer({reference}, engine_);
  EXPECT_TRUE(timer.reference());
  const std::string name = reference.name;
  EXPECT_THAT(validate_it().result.reference->name, name);
}

TEST_F(NetworkRunTest, AnEngineWithoutAReferenceSaysSo) {
  run_it();
  engine_.cannot_run = "Softmax";
  std::vector<std::string> warnings;
  ValidationOptions options = validation_options();
  options.random = 2;
  const ValidationReport report =
      run_validation(options, engine_, progress_,
                     {.on_warning = [&](const std::string& text) { warnings.push_back(text); }});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], AllOf(HasSubstr("the engine cannot run the reference network, fbnet/fp32 "),
                                 HasSubstr("times are as they come")));
  EXPECT_EQ(report.result.unmeasured.size(), 2U);
}

// Nearly every architecture has a candidate that does not run.
TEST_F(NetworkRunTest, TooFewNetworksThatRunAreAnErrorWithTheReason) {
  engine_.cannot_run = "ChannelShuffle";
  options_.num_networks = 30;
  LATGRAD_EXPECT_ERROR(run_it(), runner::RunnerError,
                       AllOf(HasSubstr(" of 30 networks, and a table needs at least 10: "),
                             HasSubstr("no kernel for operator type ChannelShuffle")));
}

TEST_F(NetworkRunTest, BothPrecisionsHaveTheirOwnCosts) {
  // 8 bits cost half as much.
  engine_.operator_us = [](const net::Operator& op, const net::OpShapes& shapes) {
    const double us = 2 + static_cast<double>(shapes.macs.value_or(0)) / 1e4;
    return op.type.starts_with("Int8") ? us / 2 : us;
  };
  options_.precisions = {search::Precision::kInt8, search::Precision::kFp32};
  const RunResult result = run_it();
  EXPECT_LT(result.inference->left_out.mape, 0.02);
  EXPECT_TRUE(result.missing.empty());
}

TEST_F(NetworkRunTest, ARunThatWasStoppedGoesOn) {
  options_.num_networks = 30;
  int visits = 0;
  EXPECT_TRUE(run_it([&] { return ++visits > 20; }).stopped);
  EXPECT_FALSE(fs::exists(options_.output));
  const int loads = engine_.loads;
  const RunResult result = run_it();
  EXPECT_FALSE(result.stopped);
  // Six visits of each of 30 without the 20 that were there, and the reference for every fourth.
  EXPECT_EQ(engine_.loads - loads, 1 + (6 * 30 - 20) * 5 / 4);
}

TEST_F(NetworkRunTest, WhatNoNetworkHadIsMissing) {
  options_.num_networks = 30;
  folder_.write("net.pbtxt", R"(
      op { input: "x" input: "w" output: "c" type: "Conv" arg { name: "kernel" i: 3 } }
      op { input: "c" output: "y" type: "Sigmoid" }
      external_input: "x" external_input: "w" external_output: "y")");
  folder_.write("shapes.json",
                R"({"inputs": {"x": [1, 64, 112, 112]}, "params": {"w": [64, 64, 3, 3]}, "blobs": {}})");
  options_.networks.nets = {folder_ / "net.pbtxt"};
  engine_.cannot_run = "Sigmoid";
  const RunResult result = run_it();
  ASSERT_EQ(result.missing.size(), 2U);
  EXPECT_EQ(result.missing[1].op_type, "Sigmoid");
  EXPECT_EQ(result.missing[1].reason, "no network with it was timed");
}

TEST_F(NetworkRunTest, Misuse) {
  options_.num_networks = 20;
  run_it();
  options_.lut = options_.output;
  LATGRAD_EXPECT_ERROR(run_it(), ValueError, HasSubstr("leave --lut out"));
  options_.lut.reset();
  engine_.cannot_run = "Conv";
  LATGRAD_EXPECT_ERROR(run_it(), runner::RunnerError,
                       AllOf(HasSubstr("the engine cannot run the reference network"),
                             HasSubstr("no kernel for operator type Conv")));
  engine_.cannot_run.clear();
  // Before anything is measured.
  options_.num_networks = 9;
  engine_.cannot_run.clear();
  const int loads = engine_.loads;
  LATGRAD_EXPECT_ERROR(run_it(), ValueError, HasSubstr("needs at least 10 of them for a table, got 9"));
  LATGRAD_EXPECT_ERROR(dry_run(options_, &engine_), ValueError, HasSubstr("at least 10"));
  EXPECT_EQ(engine_.loads, loads);
}

TEST_F(NetworkRunTest, ADryRunListsOperatorsAndTakesTheBudget) {
  const DryRunResult result = dry_run(options_, &engine_);
  EXPECT_GT(result.operators.size(), 100U);
  EXPECT_EQ(result.estimated_s, options_.measure.budget_s);
  EXPECT_EQ(engine_.loads, 0);
}

TEST(ChooseNetworksTest, EveryCandidateOccursOftenEnough) {
  const search::Space space = fbnet();
  Plan plan;
  plan.add_space(space, search::Precision::kFp32);
  Carriers carriers(plan.operators());
  carriers.add_space(space, search::Precision::kFp32);
  const std::vector<Carrier> networks = choose_networks(carriers, 90, 1);
  ASSERT_EQ(networks.size(), 90U);
  std::map<char, int> in_layer_3;
  for (const Carrier& network : networks) {
    const std::string digits = network.name.substr(network.name.size() - 22);
    ++in_layer_3[digits[2]];
  }
  for (const auto& [candidate, times] : in_layer_3) {
    EXPECT_GE(times, 4) << candidate;
    EXPECT_LE(times, 20) << candidate;
  }
  EXPECT_EQ(in_layer_3.size(), 9U);
  EXPECT_EQ(choose_networks(carriers, 90, 1).back().name, networks.back().name);
  EXPECT_NE(choose_networks(carriers, 90, 2).back().name, networks.back().name);
}

// Both precisions of an architecture are two networks.
TEST(ChooseNetworksTest, PrecisionsAreToldApart) {
  const search::Space space = search::Space::load(source_file("data/spaces/tiny.textproto"));
  Plan plan;
  plan.add_space(space, search::Precision::kFp32);
  plan.add_space(space, search::Precision::kInt8);
  Carriers carriers(plan.operators());
  carriers.add_space(space, search::Precision::kFp32);
  carriers.add_space(space, search::Precision::kInt8);
  EXPECT_EQ(choose_networks(carriers, 200, 1).size(), 36U);
}

TEST(ChooseNetworksTest, ASmallSpaceGivesWhatItHas) {
  const search::Space space = search::Space::load(source_file("data/spaces/tiny.textproto"));
  Plan plan;
  plan.add_space(space, search::Precision::kFp32);
  Carriers carriers(plan.operators());
  carriers.add_space(space, search::Precision::kFp32);
  EXPECT_EQ(choose_networks(carriers, 200, 1).size(), 18U);
}

}  // namespace
}  // namespace latgrad::profile
