// A whole run of the profiler, with operators whose time is known.

#include "latgrad/profile/run.h"

#include <sstream>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/lut/estimate.h"
#include "latgrad/lut/table.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/report.h"
#include "latgrad/profile/self_test.h"
#include "made_up_runner.h"
#include "small_net.h"
#include "temporary_folder.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    folder_.write("net.pbtxt", kSmallNet);
    folder_.write("shapes.json", kSmallShapes);
    options_.networks.nets = {folder_ / "net.pbtxt"};
    options_.precisions = {search::Precision::kInt8};
    options_.device = "phone";
    options_.output = folder_ / "phone-op_lut_database.json";
  }

  RunResult run_it(std::function<bool()> stop = nullptr) { return run(options_, runner_, progress_, stop); }
  std::string provenance() const { return folder_.read("phone-op_lut_database.provenance.json"); }

  TemporaryFolder folder_;
  MadeUpRunner runner_;
  Options options_;
  std::ostringstream out_;
  Progress progress_{out_, Progress::Style::kQuiet, 80};
};

TEST_F(RunTest, WritesATableThatPricesTheNetwork) {
  RunResult result = run_it();
  EXPECT_EQ(result.planned, 3u);
  EXPECT_EQ(result.measured, 3u);
  EXPECT_THAT(result.missing, IsEmpty());
  EXPECT_THAT(result.unsettled, IsEmpty());

  lut::Table table = lut::Table::load(options_.output);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table.record(0).op_type, "Relu");
  EXPECT_EQ(table.record(1).op_type, "Conv");
  EXPECT_THAT(table.record(1).op_args, ElementsAre("name: \"group\"\ni: 1\n", "name: \"kernel\"\ni: 1\n",
                                                   "name: \"order\"\ns: \"NCHW\"\n"));
  EXPECT_EQ(table.record(2).device, "phone");
  net::Net net = small_net();
  lut::Estimate estimate = lut::estimate(net, net::infer_shapes(net), table, {});
  EXPECT_EQ(estimate.total_us(), 2 * 100 + 2 * 200 + 50);
  EXPECT_FALSE(fs::exists(options_.output.string() + ".partial"));
}

TEST_F(RunTest, PercentilesAreOfAllSamples) {
  // Of the reference and the network, five operators each: the convolutions of the network.
  int call = 0;
  runner_.on_request = [&] { call = 0; };
  runner_.factor = [&] {
    const int op = call % 10;
    const int run = call++ / 10 + 4 * runner_.requests;
    return op == 7 || op == 8 ? 1 + 0.001 * (run % 10) : 1.0;
  };
  run_it();
  lut::Record record = lut::Table::load(options_.output).record(1);
  EXPECT_EQ(record.p0_us, 200);
  EXPECT_DOUBLE_EQ(record.p100_us, 200 * 1.009);
  EXPECT_LT(record.p10_us, record.p50_us);
  EXPECT_LT(record.p50_us, record.p90_us);
}

TEST_F(RunTest, ProvenanceSaysWhereTheTableComesFrom) {
  run_it();
  for (const char* part :
       {"\"device\": \"phone\"", "\"model\": \"Made-up CPU 1000\"", "\"engine\": {\"name\": \"qnnpack\"",
        "\"framework\": \"none\"", "\"threads\": 1", "\"target_percent\": 2.0", "\"resumed\": false",
        "\"visits\": 6",
        "\"p50_us\": 200.0, \"samples\": 36, \"visits\": 6, \"spread\": 0.0, \"median_error_percent\": 0.0",
        "\"slowdowns\": [1.0, 1.0", "\"unsteadiness_percent\": 0.0", "\"discarded_samples\": 0",
        "/net.pbtxt\",\n    \"time_us\": 650.0,\n    \"now_us\": 650.0"}) {
    EXPECT_THAT(provenance(), HasSubstr(part));
  }
  std::optional<Origin> origin = read_origin(options_.output);
  ASSERT_TRUE(origin);
  EXPECT_EQ(*origin, origin_of(runner_.open({})));
}

TEST_F(RunTest, ATableRemembersItsReference) {
  run_it();
  const std::optional<Reference> reference = read_reference(options_.output);
  ASSERT_TRUE(reference);
  EXPECT_THAT(reference->name, ::testing::EndsWith("/net.pbtxt"));
  EXPECT_EQ(reference->time_us, 650);
  const net::Net net = small_net();
  const runner::Chain chain = runner::make_chain(net, net::infer_shapes(net));
  ASSERT_EQ(reference->chain.size(), chain.size());
  for (size_t op = 0; op < chain.size(); ++op) {
    EXPECT_EQ(lut::canonical(reference->chain[op].key), lut::canonical(chain[op].key));
    EXPECT_EQ(reference->chain[op].sources, chain[op].sources);
  }
  EXPECT_FALSE(read_reference(folder_ / "no-such.json"));
  folder_.write("phone-op_lut_database.provenance.json", R"({"reference": {"name": "x", "time_us": 1}})");
  EXPECT_FALSE(read_reference(options_.output));
}

// The next day the machine is half as fast: what is added is at the speed of the table.
TEST_F(RunTest, WhatIsAddedIsAtTheSpeedOfTheTable) {
  runner_.time_us.erase("Softmax");
  run_it();
  options_.lut = options_.output;
  runner_.time_us["Softmax"] = 50;
  runner_.factor = [] { return 2.0; };
  const RunResult result = run_it();
  const lut::Table table = lut::Table::load(options_.output);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table.record(2).op_type, "Softmax");
  // The reference still has no Softmax: what could not run is no part of it.
  EXPECT_EQ(read_reference(options_.output)->chain.size(), 4u);
  EXPECT_NEAR(table.record(2).p50_us, 50, 1e-3);
  EXPECT_EQ(result.reference->time_us, 600);
  EXPECT_EQ(result.reference_now_us, 1200);
  EXPECT_THAT(report_text(options_, result),
              AllOf(HasSubstr("/net.pbtxt, 0.600 ms on the undisturbed machine; now it takes "
                              "2.000 times as long.\n"),
                    HasSubstr("The machine was steady 0.0 % ((p90 - p10) / p50 of the reference).\n")));
}

TEST_F(RunTest, WhatAnotherMachineAddsIsAtItsOwnSpeed) {
  runner_.time_us.erase("Softmax");
  run_it();
  options_.lut = options_.output;
  options_.force = true;
  runner_.cpu_model = "Another CPU";
  runner_.time_us["Softmax"] = 50;
  runner_.factor = [] { return 2.0; };
  EXPECT_EQ(run_it().reference->time_us, 1200);
  EXPECT_NEAR(lut::Table::load(options_.output).record(2).p50_us, 100, 1e-3);
}

TEST_F(RunTest, IsNamedAfterTheRunnersMachineAndEngine) {
  options_.device = "";
  options_.output = folder_ / "t.json";
  options_.runner.engine = "x86";
  EXPECT_EQ(run_it().device, "made-up-1000-x86");
}

TEST_F(RunTest, ExtendsATableWithoutMeasuringAgain) {
  run_it();
  options_.lut = options_.output;
  runner_.time_us.clear();  // nothing may be asked for
  RunResult again = run_it();
  EXPECT_EQ(again.planned, 0u);
  EXPECT_EQ(again.known, 3u);
  EXPECT_EQ(lut::Table::load(options_.output).size(), 3u);
  EXPECT_EQ(read_reference(options_.output)->time_us, 650);
  EXPECT_THAT(report_text(options_, again), Not(HasSubstr("Times are")));
  EXPECT_THAT(
      provenance(),
      HasSubstr("\"extends\": {\n    \"table\": \"phone-op_lut_database.json\",\n    \"records\": 3,\n"
                "    \"provenance\": {\n      \"table\""));
}

TEST_F(RunTest, IsCompleteWhereOnlyTheJournalWasLeftBehind) {
  run_it();
  folder_.write("phone-op_lut_database.json.partial",
                "of a run that was killed before it could remove this\n");
  options_.lut = options_.output;
  const std::string before = provenance();
  EXPECT_EQ(run_it().known, 3u);
  EXPECT_FALSE(fs::exists(options_.output.string() + ".partial"));
  EXPECT_EQ(provenance(), before);
}

TEST_F(RunTest, ATableOfARunnerThatSaysLittleCanBeExtended) {
  runner_.cpu_model = "";
  run_it();
  options_.lut = options_.output;
  EXPECT_EQ(run_it().known, 3u);
}

TEST_F(RunTest, DoesNotMixMachinesEnginesOrDevicesUnlessForced) {
  run_it();
  options_.lut = options_.output;
  options_.output = folder_ / "second.json";
  runner_.cpu_model = "Another CPU";
  options_.runner.threads = 2;
  LATGRAD_EXPECT_ERROR(
      run_it(), ValueError,
      AllOf(HasSubstr("a table to extend must come from the same machine and engine"),
            HasSubstr("CPU \"Made-up CPU 1000\" there, \"Another CPU\" here; threads 1 there, 2 here"),
            HasSubstr("--force")));
  options_.device = "tablet";
  LATGRAD_EXPECT_ERROR(run_it(), ValueError, HasSubstr("must hold only the device tablet"));
  options_.device = "phone";
  fs::remove(folder_ / "phone-op_lut_database.provenance.json");
  LATGRAD_EXPECT_ERROR(run_it(), ValueError, HasSubstr("a table to extend must say where it was measured"));
  options_.force = true;
  EXPECT_EQ(run_it().known, 3u);
}

TEST_F(RunTest, KeepsWhatItCouldMeasureAndNamesTheRest) {
  runner_.time_us.erase("Softmax");
  RunResult result = run_it();
  EXPECT_EQ(result.measured, 2u);
  ASSERT_THAT(result.missing, SizeIs(1));
  EXPECT_EQ(result.missing[0].reason, "no kernel for operator type Softmax");
  EXPECT_THAT(result.unsettled, IsEmpty());
  EXPECT_EQ(lut::Table::load(options_.output).size(), 2u);
  EXPECT_THAT(provenance(), HasSubstr("\"reason\": \"no kernel for operator type Softmax\""));
  EXPECT_THAT(report_text(options_, result), HasSubstr("Not measured: 1 operators\n  Softmax"));
  EXPECT_THAT(report_json(result), HasSubstr("\"op_type\": \"Softmax\""));
}

TEST_F(RunTest, ListsWhatDidNotReachTheTarget) {
  options_.measure.budget_s = 1e-9;
  RunResult result = run_it();
  EXPECT_TRUE(result.budget_spent);
  EXPECT_EQ(result.measured, 3u);
  ASSERT_THAT(result.unsettled, SizeIs(3));
  EXPECT_THAT(report_text(options_, result), AllOf(HasSubstr("Not known to within 2 %: 3 operators"),
                                                   HasSubstr("  too few visits  Relu [1,8,4,4]\n")));
  EXPECT_THAT(report_json(result), HasSubstr("\"median_error_percent\": null"));
}

TEST_F(RunTest, AnInterruptedRunIsResumed) {
  int visits = 0;
  EXPECT_TRUE(run_it([&] { return ++visits == 4; }).stopped);
  EXPECT_FALSE(fs::exists(options_.output));
  EXPECT_TRUE(fs::exists(options_.output.string() + ".partial"));
  RunResult result = run_it();
  EXPECT_EQ(result.visits, 6u);
  EXPECT_THAT(provenance(), HasSubstr("\"resumed\": true"));
}

TEST_F(RunTest, ProgressNamesTheNetworkThatRuns) {
  Progress plain(out_, Progress::Style::kPlain, 80);
  run(options_, runner_, plain, nullptr);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("0/3]"), HasSubstr("net.pbtxt\n")));
}

TEST_F(RunTest, DryRunListsTheOperatorsAndWritesNothing) {
  DryRunResult result = dry_run(options_, &runner_);
  EXPECT_THAT(result.operators, ElementsAre("Relu [1,8,4,4]", HasSubstr("Conv"), HasSubstr("Softmax")));
  EXPECT_THAT(report_text(options_, result), HasSubstr("3 distinct operators to measure for phone, about "));
  DryRunResult without_runner = dry_run(options_, nullptr);
  EXPECT_EQ(without_runner.operators, result.operators);
  EXPECT_FALSE(without_runner.estimated_s);
  EXPECT_THAT(report_json(without_runner), HasSubstr("\"estimated_s\": null"));
  EXPECT_FALSE(fs::exists(options_.output));
  EXPECT_FALSE(fs::exists(options_.output.string() + ".partial"));
}

TEST_F(RunTest, InputGivesANetworkItsShape) {
  options_.networks.inputs = {{"data", {2, 8, 4, 4}, std::nullopt}};
  EXPECT_EQ(dry_run(options_, nullptr).operators[0], "Relu [2,8,4,4]");
  options_.networks.inputs = {{"no-such", {1}, std::nullopt}};
  LATGRAD_EXPECT_ERROR(
      dry_run(options_, nullptr), ValueError,
      ::testing::StrEq(
          "--input must name a blob that an operator of a network reads or writes (blob \"no-such\")"));
}

TEST(ProvenancePathTest, LiesBesideTheTablePackedOrNot) {
  EXPECT_EQ(provenance_path("a/x.json"), "a/x.provenance.json");
  EXPECT_EQ(provenance_path("a/x.json.zip"), "a/x.provenance.json");
  EXPECT_EQ(provenance_path("x.json.gz"), "x.provenance.json");
}

TEST(SelfTestTest, ComparesWithWhatIsKnown) {
  MadeUpRunner runner;
  LATGRAD_EXPECT_ERROR(self_test(runner), runner::RunnerError,
                       HasSubstr("a self-test needs a runner that knows LatgradDelay"));
  runner.time_us["LatgradDelay"] = 1015;
  std::vector<DelayCheck> checks = self_test(runner);
  ASSERT_THAT(checks, SizeIs(4));
  EXPECT_FALSE(checks[0].passed());
  EXPECT_EQ(checks[2].delay_us, 1000);
  EXPECT_NEAR(checks[2].relative_error(), 0.015, 1e-9);
  EXPECT_TRUE(checks[2].passed());
  EXPECT_FALSE(checks[3].passed());
}

}  // namespace
}  // namespace latgrad::profile
