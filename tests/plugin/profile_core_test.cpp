// The profiler without torch: plan, timer, statistics, journal, command line, and a whole run with made-up
// operators.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "duration.h"
#include "journal.h"
#include "latgrad/lut/error.h"
#include "latgrad/lut/estimate.h"
#include "latgrad/lut/netdef.h"
#include "latgrad/lut/table.h"
#include "latgrad/search/latency_model.h"
#include "machine.h"
#include "measure.h"
#include "operator_args.h"
#include "options.h"
#include "plan.h"
#include "progress.h"
#include "provenance.h"
#include "run.h"
#include "shared_data.h"
#include "statistics.h"
#include "timer.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using lut::Argument;
using lut::DataType;
using lut::OperatorKey;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

template <typename E, typename F>
std::string message_of(F function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// A fresh folder for each test, removed with it.
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = fs::path(::testing::TempDir()) /
              ("latgrad-profile-" + name + "-" + std::to_string(std::random_device{}()));
    fs::create_directories(folder_);
  }
  ~FolderTest() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  fs::path folder_;
};

OperatorKey relu_key(int64_t channels) { return {"Relu", {}, {{1, channels, 4, 4}}, {DataType::kFloat}}; }

// ---- durations ----

TEST(DurationTest, ReadsUnits) {
  EXPECT_EQ(parse_duration_s("90"), 90);
  EXPECT_EQ(parse_duration_s("90s"), 90);
  EXPECT_EQ(parse_duration_s("3m"), 180);
  EXPECT_EQ(parse_duration_s("1.5m"), 90);
  EXPECT_EQ(parse_duration_s("1h30m"), 5400);
  EXPECT_EQ(parse_duration_s("1h2m3s"), 3723);
}

TEST(DurationTest, RefusesWhatIsNoDuration) {
  for (const char* text :
       {"", "m", "-3m", "0", "0s", "3x", "3m4", "3s1m", "3m3m", "inf", "nan", "1e3", "3 m", "1h-2m"}) {
    EXPECT_EQ(message_of<ValueError>([&] { parse_duration_s(text); }),
              std::string("a duration must be like 90s, 3m or 1h30m and positive, got \"") + text + "\"");
  }
}

TEST(DurationTest, IsPrintedInItsOwnSize) {
  EXPECT_EQ(format_duration(0.4), "0 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(125), "2 min 05 s");
  EXPECT_EQ(format_duration(5400), "1 h 30 min");
}

// ---- percentiles ----

TEST(PercentilesTest, AreReadOffASortedList) {
  std::vector<double> samples;
  for (int i = 100; i >= 0; --i) samples.push_back(i);  // 0 ... 100, so that the p-th percentile is p
  Percentiles p = percentiles(samples);
  EXPECT_EQ(p.p0_us, 0);
  EXPECT_EQ(p.p10_us, 10);
  EXPECT_EQ(p.p50_us, 50);
  EXPECT_EQ(p.p90_us, 90);
  EXPECT_EQ(p.p100_us, 100);
  EXPECT_EQ(p.spread(), 1.6);
}

TEST(PercentilesTest, LieBetweenNeighbours) {
  Percentiles p = percentiles({4, 1, 2, 3});  // positions 0.3, 1.5, 2.7 of 1 2 3 4
  EXPECT_EQ(p.p10_us, 1.3);
  EXPECT_EQ(p.p50_us, 2.5);
  EXPECT_EQ(p.p90_us, 3.7);
}

TEST(PercentilesTest, OfOneSampleAreThatSample) {
  Percentiles p = percentiles({7.5});
  EXPECT_EQ(p.p0_us, 7.5);
  EXPECT_EQ(p.p90_us, 7.5);
  EXPECT_EQ(p.spread(), 0);
}

TEST(PercentilesTest, NeedASample) {
  EXPECT_EQ(message_of<ValueError>([] { percentiles({}); }),
            "percentiles need at least one sample, got none");
}

// ---- timer ----

// Spins until the steady clock has moved by `us`: an operator of known cost.
void busy_wait(double us) {
  auto until = std::chrono::steady_clock::now() + std::chrono::duration<double, std::micro>(us);
  while (std::chrono::steady_clock::now() < until) {
  }
}

TEST(TimerTest, FindsTheKnownDelayOfALongCall) {
  std::vector<double> samples = time_call([] { busy_wait(500); }, {.warmup = 2, .samples = 15});
  ASSERT_THAT(samples, SizeIs(15));
  // Noise only adds: the fastest sample is the honest one on a loaded machine.
  double fastest = *std::min_element(samples.begin(), samples.end());
  EXPECT_GE(fastest, 500);
  EXPECT_LE(fastest, 500 * 1.2);
}

TEST(TimerTest, FindsTheKnownDelayOfACallShorterThanASample) {
  std::vector<double> samples = time_call([] { busy_wait(3); }, {.warmup = 5, .samples = 50});
  double fastest = *std::min_element(samples.begin(), samples.end());
  EXPECT_GE(fastest, 3);
  EXPECT_LE(fastest, 3 * 1.5);
}

TEST(TimerTest, RunsALongCallOnceForEachSample) {
  int calls = 0;
  time_call([&] { ++calls, busy_wait(50); }, {.warmup = 3, .samples = 7, .min_sample_us = 20});
  EXPECT_EQ(calls, 1 + 3 + 7);  // one call sizes the batch
}

TEST(TimerTest, BatchesAShortCall) {
  int calls = 0;
  time_call([&] { ++calls, busy_wait(2); }, {.warmup = 5, .samples = 4, .min_sample_us = 20});
  EXPECT_GE(calls, 6 + 4 * 7);  // 20 us of 2 to 3 us each
  EXPECT_LE(calls, 6 + 4 * 10);
}

TEST(TimerTest, RefusesOptionsOutOfRange) {
  auto nothing = [] {};
  EXPECT_EQ(message_of<ValueError>([&] { time_call(nothing, {.warmup = -1}); }),
            "warmup must not be negative, got -1");
  EXPECT_EQ(message_of<ValueError>([&] { time_call(nothing, {.samples = 0}); }),
            "samples must be at least 1, got 0");
  EXPECT_THAT(message_of<ValueError>([&] { time_call(nothing, {.min_sample_us = std::nan("")}); }),
              HasSubstr("min_sample_us must not be negative, got "));
}

// ---- arguments ----

OperatorKey conv_key(std::vector<Argument> args) { return {"Conv", std::move(args), {}, {}}; }
Argument ints_arg(std::string name, std::vector<int64_t> ints) {
  Argument arg;
  arg.name = std::move(name);
  arg.ints = std::move(ints);
  return arg;
}

TEST(SpatialArgsTest, DefaultsAreCaffe2s) {
  SpatialArgs args = spatial_args(conv_key({}));
  EXPECT_THAT(args.stride, ElementsAre(1, 1));
  EXPECT_THAT(args.dilation, ElementsAre(1, 1));
  EXPECT_THAT(args.pads, ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(args.group, 1);
  EXPECT_FALSE(args.nhwc);
}

TEST(SpatialArgsTest, AllSpellingsSayTheSame) {
  SpatialArgs one = spatial_args(conv_key({Argument::of_int("kernel", 3), Argument::of_int("stride", 2),
                                           Argument::of_int("pad", 1), Argument::of_int("dilation", 2)}));
  SpatialArgs lists = spatial_args(conv_key({ints_arg("kernels", {3, 3}), ints_arg("strides", {2, 2}),
                                             ints_arg("pads", {1, 1, 1, 1}), ints_arg("dilations", {2, 2})}));
  SpatialArgs each = spatial_args(conv_key(
      {Argument::of_int("kernel_h", 3), Argument::of_int("kernel_w", 3), Argument::of_int("stride_h", 2),
       Argument::of_int("stride_w", 2), Argument::of_int("pad_t", 1), Argument::of_int("pad_l", 1),
       Argument::of_int("pad_b", 1), Argument::of_int("pad_r", 1), Argument::of_int("dilation_h", 2),
       Argument::of_int("dilation_w", 2)}));
  for (const SpatialArgs& args : {one, lists, each}) {
    EXPECT_THAT(args.kernel, ElementsAre(3, 3));
    EXPECT_THAT(args.stride, ElementsAre(2, 2));
    EXPECT_THAT(args.symmetric_pad(), ElementsAre(1, 1));
    EXPECT_THAT(args.dilation, ElementsAre(2, 2));
  }
}

TEST(SpatialArgsTest, RefusesWhatCannotBeMeasured) {
  auto message = [](std::vector<Argument> args) {
    return message_of<ValueError>([&] { spatial_args(conv_key(args)).symmetric_pad(); });
  };
  EXPECT_EQ(message({Argument::of_int("stride", 0)}), "stride must be at least 1, got 0");
  EXPECT_EQ(message({Argument::of_int("pad", -1)}), "pad must be at least 0, got -1");
  EXPECT_EQ(message({Argument::of_int("group", 0)}), "group must be at least 1, got 0");
  EXPECT_EQ(message({Argument::of_int("legacy_pad", 2)}), "legacy_pad must be 0 to be measured, got 2");
  EXPECT_EQ(message({ints_arg("kernels", {3, 3, 3})}), "kernels must have 2 values, got 3");
  EXPECT_EQ(message({Argument::of_string("order", "CHWN")}), "order must be NCHW or NHWC, got \"CHWN\"");
  EXPECT_EQ(message({ints_arg("pads", {0, 1, 1, 1})}),
            "pads must be equal on opposite sides, got top 0, left 1, bottom 1, right 1");
}

// ---- plan ----

constexpr const char* kSmallNet = R"(
name: "small"
external_input: "data" external_input: "w" external_input: "b"
external_output: "y"
op { input: "data" output: "a" type: "Relu" }
op { input: "a" output: "a2" type: "Relu" }
op { input: "a2" input: "w" input: "b" output: "c" type: "Conv"
     arg { name: "kernel" i: 1 } arg { name: "group" i: 1 } arg { name: "order" s: "NCHW" } }
op { input: "c" input: "w" input: "b" output: "d" type: "Conv"
     arg { name: "order" s: "NCHW" } arg { name: "kernels" ints: 1 ints: 1 } }
op { input: "d" output: "y" type: "Softmax" }
)";

lut::Net small_net() {
  lut::Net net = lut::parse_netdef_text(kSmallNet, "small.pbtxt");
  net.inputs["data"] = {{1, 8, 4, 4}, DataType::kFloat};
  net.parameters["w"] = {{8, 8, 1, 1}, DataType::kFloat};
  net.parameters["b"] = {{8}, DataType::kFloat};
  return net;
}

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
  lut::Net net = small_net();
  net.ops[1].type = "Mystery";
  Plan plan;
  plan.add_net(net);
  EXPECT_THAT(types(plan.operators()), ElementsAre("Relu"));
  ASSERT_THAT(plan.missing(), SizeIs(4));
  EXPECT_EQ(plan.missing()[0].op_type, "Mystery");
  EXPECT_EQ(plan.missing()[0].description, "Mystery of unknown shape (small.pbtxt, op 1)");
  EXPECT_THAT(plan.missing()[0].reason, HasSubstr("shape inference does not know"));
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

// ---- journal ----

class JournalTest : public FolderTest {
 protected:
  RunSettings settings_{
      .device = "phone", .torch_version = "2.13.0", .threads = 1, .warmup = 5, .repetitions = 60};
  fs::path path_ = folder_ / "table.json.partial";
};

TEST_F(JournalTest, GivesBackWhatAnEarlierRunAppended) {
  {
    Journal journal(path_, settings_, 3);
    EXPECT_FALSE(journal.resumed());
    journal.append(2, std::vector<double>{1.5, 2.00049});
    journal.append(0, std::vector<double>{7});
    journal.append(2, std::vector<double>{3});
    EXPECT_THAT(journal.samples_us(2), ElementsAre(1.5, 2, 3));
  }
  Journal journal(path_, settings_, 3);
  EXPECT_TRUE(journal.resumed());
  EXPECT_THAT(journal.samples_us(0), ElementsAre(7));
  EXPECT_THAT(journal.samples_us(1), IsEmpty());
  EXPECT_THAT(journal.samples_us(2), ElementsAre(1.5, 2, 3));
  journal.discard();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(JournalTest, CutsOffATornLineAndGoesOn) {
  {
    Journal journal(path_, settings_, 2);
    journal.append(0, std::vector<double>{1});
  }
  std::ofstream(path_, std::ios::app) << R"({"operator": 1, "samples_us": [4.)";
  {
    Journal journal(path_, settings_, 2);
    EXPECT_THAT(journal.samples_us(0), ElementsAre(1));
    EXPECT_THAT(journal.samples_us(1), IsEmpty());
    journal.append(1, std::vector<double>{5});
  }
  Journal journal(path_, settings_, 2);
  EXPECT_THAT(journal.samples_us(1), ElementsAre(5));
}

TEST_F(JournalTest, BeginsAfreshWhereNotEvenTheFirstLineWasWritten) {
  write("table.json.partial", "{\"latgrad_prof");
  Journal journal(path_, settings_, 2);
  EXPECT_FALSE(journal.resumed());
  journal.append(0, std::vector<double>{1});
  EXPECT_TRUE(Journal(path_, settings_, 2).resumed());
}

TEST_F(JournalTest, RefusesToMixRunsOfDifferentSettings) {
  Journal(path_, settings_, 2);
  settings_.threads = 2;
  std::string message = message_of<ValueError>([&] { Journal(path_, settings_, 2); });
  EXPECT_THAT(message,
              HasSubstr("an interrupted run can only be resumed by the same command; it was begun as {"));
  EXPECT_THAT(message, HasSubstr("\"threads\": 1"));
  EXPECT_THAT(message, HasSubstr("\"threads\": 2"));
  EXPECT_THAT(message, HasSubstr(path_.string()));
}

TEST_F(JournalTest, NamesTheLineThatIsNotItsOwn) {
  { Journal journal(path_, settings_, 2); }
  std::string header = read(path_);
  auto message = [&](const std::string& line) {
    write("table.json.partial", header + line + "\n");
    return message_of<ParseError>([&] { Journal(path_, settings_, 2); });
  };
  EXPECT_THAT(message("nonsense"),
              HasSubstr("a journal line must hold operator and samples_us, got `nonsense` ("));
  EXPECT_THAT(message("nonsense"), HasSubstr("line 2"));
  EXPECT_THAT(message(R"({"operator": 2, "samples_us": []})"), HasSubstr("operator must be below 2, got 2"));
  EXPECT_THAT(message(R"({"operator": 1, "samples_us": [-1]})"),
              HasSubstr("samples_us must be non-negative numbers"));
  EXPECT_THAT(message(R"({"operator": 1, "samples_us": ["1"]})"),
              HasSubstr("samples_us must be non-negative numbers"));
}

TEST_F(JournalTest, SaysWhereItCannotWrite) {
  EXPECT_THAT(message_of<IoError>([&] { Journal(folder_ / "no" / "such", settings_, 1); }),
              HasSubstr("cannot write the journal ("));
}

TEST(PlanHashTest, SeesOrderAndShapesButNotSpelling) {
  OperatorKey one = conv_key({Argument::of_int("kernel", 3)});
  OperatorKey same = conv_key({ints_arg("kernels", {3, 3})});
  EXPECT_EQ(plan_hash(std::vector{one, relu_key(8)}), plan_hash(std::vector{same, relu_key(8)}));
  EXPECT_NE(plan_hash(std::vector{one, relu_key(8)}), plan_hash(std::vector{relu_key(8), one}));
  EXPECT_NE(plan_hash(std::vector{relu_key(8)}), plan_hash(std::vector{relu_key(9)}));
}

// ---- measuring ----

class MeasureTest : public FolderTest {
 protected:
  Journal journal(size_t size) { return Journal(folder_ / "j", {}, size); }

  std::vector<OperatorKey> operators_ = {relu_key(1), relu_key(2), relu_key(3)};
  std::vector<int64_t> prepared_;
  Prepare prepare_ = [this](const OperatorKey& key) -> Prepared {
    int64_t channels = key.input_shapes[0][1];
    prepared_.push_back(channels);
    if (channels == 2) return Unsupported{"two is too many"};
    return Call([channels] { busy_wait(30.0 * static_cast<double>(channels)); });
  };
};

TEST_F(MeasureTest, TakesEverySampleOfEveryOperatorInRounds) {
  Journal j = journal(3);
  Measured measured = measure(operators_, prepare_, j, {.warmup = 0, .repetitions = 25}, {});
  EXPECT_THAT(measured.unsupported, ElementsAre("", "two is too many", ""));
  EXPECT_FALSE(measured.stopped);
  EXPECT_FALSE(measured.budget_spent);
  EXPECT_THAT(j.samples_us(0), SizeIs(25));
  EXPECT_THAT(j.samples_us(1), IsEmpty());
  EXPECT_THAT(j.samples_us(2), SizeIs(25));
  EXPECT_EQ(std::count(prepared_.begin(), prepared_.end(), 1), 3);  // 10 + 10 + 5 samples
  EXPECT_EQ(std::count(prepared_.begin(), prepared_.end(), 2), 1);  // not asked again
  EXPECT_GE(*std::min_element(j.samples_us(2).begin(), j.samples_us(2).end()), 90);
}

TEST_F(MeasureTest, GoesOnWhereItWasStopped) {
  int visits_allowed = 2;
  {
    Journal j = journal(3);
    MeasureHooks hooks;
    hooks.stop_requested = [&] { return visits_allowed-- == 0; };
    EXPECT_TRUE(measure(operators_, prepare_, j, {.warmup = 0, .repetitions = 10}, hooks).stopped);
    EXPECT_THAT(prepared_, SizeIs(2));
  }
  Journal j = journal(3);
  EXPECT_FALSE(measure(operators_, prepare_, j, {.warmup = 0, .repetitions = 10}, {}).stopped);
  EXPECT_THAT(j.samples_us(0), SizeIs(10));
  EXPECT_THAT(j.samples_us(2), SizeIs(10));
  EXPECT_EQ(std::count(prepared_.begin(), prepared_.end(), 1), 1);
  EXPECT_EQ(std::count(prepared_.begin(), prepared_.end(), 3), 1);
}

TEST_F(MeasureTest, FinishesTheFirstRoundWhateverTheBudget) {
  Journal j = journal(3);
  Measured measured =
      measure(operators_, prepare_, j, {.warmup = 0, .repetitions = 30, .budget_s = 1e-6}, {});
  EXPECT_TRUE(measured.budget_spent);
  EXPECT_THAT(j.samples_us(0), SizeIs(10));
  EXPECT_THAT(j.samples_us(2), SizeIs(10));
}

TEST_F(MeasureTest, TheSeedMakesTheOrder) {
  auto order = [&](uint64_t seed) {
    std::vector<OperatorKey> operators;
    for (int64_t channels = 10; channels < 30; ++channels) operators.push_back(relu_key(channels));
    std::vector<int64_t> seen;
    Prepare note = [&](const OperatorKey& key) -> Prepared {
      seen.push_back(key.input_shapes[0][1]);
      return Unsupported{"only asked"};
    };
    Journal j(folder_ / ("j" + std::to_string(seed)), {}, operators.size());
    measure(operators, note, j, {.repetitions = 1, .seed = seed}, {});
    j.discard();
    return seen;
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

TEST_F(MeasureTest, TellsHowFarItIs) {
  Journal j = journal(3);
  std::vector<Visit> visits;
  MeasureHooks hooks;
  hooks.on_visit = [&](const Visit& visit) { visits.push_back(visit); };
  measure(operators_, prepare_, j, {.warmup = 0, .repetitions = 1}, hooks);
  ASSERT_THAT(visits, SizeIs(3));
  EXPECT_EQ(visits[0].done, 1u);
  EXPECT_EQ(visits[0].total, 3u);
  EXPECT_FALSE(visits[0].left_s);
  EXPECT_EQ(visits[2].done, 3u);
  EXPECT_TRUE(visits[2].left_s);
}

TEST_F(MeasureTest, RefusesRepetitionsOutOfRange) {
  Journal j = journal(3);
  EXPECT_EQ(message_of<ValueError>([&] { measure(operators_, prepare_, j, {.repetitions = 0}, {}); }),
            "repetitions must be 1 to 1000000, got 0");
}

TEST_F(MeasureTest, RehearsalEstimatesFromOneCall) {
  Rehearsal rehearsal = rehearse(operators_, prepare_, {.warmup = 0, .repetitions = 1000});
  EXPECT_THAT(rehearsal.unsupported, ElementsAre("", "two is too many", ""));
  EXPECT_GE(rehearsal.estimated_s, 0.12);  // 1000 times 30 + 90 us
  EXPECT_LE(rehearse(operators_, prepare_, {.warmup = 0, .repetitions = 1000, .budget_s = 0.05}).estimated_s,
            0.06);
}

// ---- machine ----

TEST(MachineTest, NamesTheDeviceAfterTheCpu) {
  auto device = [](const char* cpuinfo) { return default_device(parse_cpuinfo(cpuinfo)); };
  EXPECT_EQ(device("processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz\n"),
            "intel-core-i7-8550u-qnnpack");
  EXPECT_EQ(device("model name\t: AMD Ryzen 7 5800X 8-Core Processor\n"), "amd-ryzen-7-5800x-8-core-qnnpack");
  EXPECT_EQ(device("cpu family : 6\nmodel : 207\nmodel name : Intel(R) Xeon(R) Processor\n"),
            "intel-xeon-family6-model207-qnnpack");
  EXPECT_EQ(device("Hardware : Qualcomm Technologies, Inc SM8250\n"),
            "qualcomm-technologies-inc-sm8250-qnnpack");
  EXPECT_EQ(device(""), "unknown-qnnpack");
  EXPECT_EQ(device("model name: ../../etc/passwd\n"), "etc-passwd-qnnpack");
}

TEST(MachineTest, KnowsThisMachine) {
  Machine machine = this_machine();
  EXPECT_GE(machine.logical_cores, 1);
  EXPECT_THAT(machine.architecture, Not(IsEmpty()));
  EXPECT_THAT(default_device(machine), ::testing::MatchesRegex("[a-z0-9]+(-[a-z0-9]+)*-qnnpack"));
}

// ---- progress ----

TEST(ProgressTest, PrintsAPlainLineElsewhereThanOnATerminal) {
  std::ostringstream out;
  Progress progress(out, Progress::Style::kPlain);
  progress.show(7, 190, std::nullopt, "Relu");
  progress.show(8, 190, 42.0, "too soon for another line");
  progress.clear();
  EXPECT_EQ(out.str(), "[  7/190]                 Relu\n");
}

TEST(ProgressTest, RedrawsOneLineOnATerminalAndNeverWrapsIt) {
  std::ostringstream out;
  Progress progress(out, Progress::Style::kTerminal, 40);
  progress.show(7, 190, 42.0, std::string(100, 'x'));
  progress.clear();
  EXPECT_EQ(out.str(), "\r\033[K[  7/190]      42 s left  xxxxxxxxxxxxx\r\033[K");
}

TEST(ProgressTest, IsSilentWhenAsked) {
  std::ostringstream out;
  Progress progress(out, Progress::Style::kQuiet);
  progress.show(1, 2, 3.0, "Relu");
  progress.clear();
  EXPECT_EQ(out.str(), "");
}

// ---- command line ----

class CommandLineTest : public FolderTest {
 protected:
  Invocation parse(std::vector<std::string> args) {
    std::vector<const char*> argv = {"latgrad-profile"};
    for (const std::string& arg : args) argv.push_back(arg.c_str());
    return parse_command_line(static_cast<int>(argv.size()), argv.data(), "2.13.0");
  }
  std::string space_ = write("space.textproto", "").string();
};

TEST_F(CommandLineTest, DefaultsAreUsable) {
  Invocation invocation = parse({"--space", space_});
  ASSERT_TRUE(invocation.options) << invocation.text;
  const Options& options = *invocation.options;
  EXPECT_THAT(options.precisions, ElementsAre(search::Precision::kInt8));
  EXPECT_EQ(options.threads, 1);
  EXPECT_EQ(options.device, default_device(this_machine()));
  EXPECT_EQ(options.output, options.device + "-op_lut_database.json");
  EXPECT_FALSE(options.measure.budget_s);
}

TEST_F(CommandLineTest, ReadsEveryOption) {
  Invocation invocation = parse({"--space",       space_,
                                 "--space",       space_,
                                 "--net",         space_,
                                 "--input",       "data=1,3,224,224",
                                 "--precision",   "both",
                                 "--lut",         space_,
                                 "--output",      "o.json",
                                 "--device",      "my-phone.1",
                                 "--threads",     "2",
                                 "--warmup",      "3",
                                 "--repetitions", "40",
                                 "--budget",      "3m",
                                 "--seed",        "18446744073709551615",
                                 "--dry-run",     "--json",
                                 "--quiet"});
  ASSERT_TRUE(invocation.options) << invocation.text;
  const Options& options = *invocation.options;
  EXPECT_THAT(options.spaces, SizeIs(2));
  EXPECT_THAT(options.nets, SizeIs(1));
  EXPECT_EQ(options.inputs.at("data"), (lut::Shape{1, 3, 224, 224}));
  EXPECT_THAT(options.precisions, ElementsAre(search::Precision::kInt8, search::Precision::kFp32));
  EXPECT_EQ(options.lut, space_);
  EXPECT_EQ(options.output, "o.json");
  EXPECT_EQ(options.device, "my-phone.1");
  EXPECT_EQ(options.threads, 2);
  EXPECT_EQ(options.measure.warmup, 3);
  EXPECT_EQ(options.measure.repetitions, 40);
  EXPECT_EQ(options.measure.budget_s, 180);
  EXPECT_EQ(options.measure.seed, UINT64_MAX);
  EXPECT_TRUE(options.dry_run && options.json && options.quiet);
}

TEST_F(CommandLineTest, WrongUsageIsExitCode2WithAReason) {
  auto text = [&](std::vector<std::string> args) {
    Invocation invocation = parse(args);
    EXPECT_FALSE(invocation.options);
    EXPECT_EQ(invocation.exit_code, 2);
    return invocation.text;
  };
  EXPECT_THAT(text({}), HasSubstr("--space or --net is required"));
  EXPECT_THAT(text({"--space", space_, "--precision", "int4"}), HasSubstr("int4"));
  EXPECT_THAT(text({"--space", space_, "--repetitions", "0"}), HasSubstr("--repetitions"));
  EXPECT_THAT(text({"--space", space_, "--threads", "0"}), HasSubstr("--threads"));
  EXPECT_THAT(text({"--space", space_, "--budget", "soon"}), HasSubstr("a duration must be like 90s"));
  EXPECT_THAT(text({"--space", space_, "--device", "a/b"}), HasSubstr("device must consist of letters"));
  EXPECT_THAT(text({"--space", space_, "--input", "data"}), HasSubstr("an input must be NAME=DIM,DIM,..."));
  EXPECT_THAT(text({"--space", space_, "--output", folder_.string()}),
              HasSubstr("the output must be a file"));
  EXPECT_THAT(text({"--space", space_, "--output", "lut.json.zip"}),
              HasSubstr("written as plain JSON lines"));
  EXPECT_THAT(text({"--space", space_, "--nonsense"}), HasSubstr("--nonsense"));
}

TEST_F(CommandLineTest, HelpAndVersionAreExitCode0) {
  Invocation help = parse({"--help"});
  EXPECT_FALSE(help.options);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.text, HasSubstr("--dry-run"));
  EXPECT_THAT(help.text, HasSubstr("Exit codes: 0 complete, 1 error, 2 wrong usage, 3 some operators"));
  Invocation version = parse({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.text, HasSubstr("torch 2.13.0"));
}

TEST(ParseInputTest, RefusesWhatIsNoShape) {
  for (const char* text : {"", "data", "data=", "=1,2", "data=1,,2", "data=1,2,", "data=0", "data=-1",
                           "data=1 2", "data=99999999999999999999"}) {
    EXPECT_EQ(
        message_of<ValueError>([&] { parse_input(text); }),
        std::string("an input must be NAME=DIM,DIM,... with positive dimensions, got \"") + text + "\"");
  }
  EXPECT_THROW(parse_input("data=4611686018427387904,4"), ValueError);
}

// ---- a whole run, with operators whose time is known ----

class RunTest : public FolderTest {
 protected:
  RunTest() {
    options_.nets = {write("net.pbtxt", kSmallNet)};
    write("shapes.json",
          R"({"inputs": {"data": [1, 8, 4, 4]}, "params": {"w": [8, 8, 1, 1], "b": [8]}, "blobs": {}})");
    options_.precisions = {search::Precision::kInt8};
    options_.device = "phone";
    options_.output = folder_ / "phone-op_lut_database.json";
    options_.measure = {.warmup = 0, .repetitions = 20};
  }

  RunResult run_it(std::function<bool()> stop = nullptr) { return run(options_, kernels_, progress_, stop); }

  // Relu 100 us, Conv 200 us, Softmax 50 us.
  std::map<std::string, double> time_us_ = {{"Relu", 100}, {"Conv", 200}, {"Softmax", 50}};
  Kernels kernels_{.prepare = [this](const OperatorKey& key) -> Prepared {
                     auto found = time_us_.find(key.op_type);
                     if (found == time_us_.end())
                       return Unsupported{"no kernel for operator type " + key.op_type};
                     return Call([us = found->second] { busy_wait(us); });
                   },
                   .torch_version = "9.9"};
  Options options_;
  std::ostringstream out_;
  Progress progress_{out_, Progress::Style::kQuiet};
};

TEST_F(RunTest, WritesATableThatPricesTheNetwork) {
  RunResult result = run_it();
  EXPECT_EQ(result.planned, 3u);
  EXPECT_EQ(result.measured, 3u);
  EXPECT_THAT(result.missing, IsEmpty());

  lut::Table table = lut::Table::load(options_.output);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table.record(0).op_type, "Relu");
  EXPECT_EQ(table.record(1).op_type, "Conv");
  EXPECT_THAT(table.record(1).op_args, ElementsAre("name: \"group\"\ni: 1\n", "name: \"kernel\"\ni: 1\n",
                                                   "name: \"order\"\ns: \"NCHW\"\n"));
  EXPECT_EQ(table.record(2).device, "phone");
  for (size_t i = 0; i < 3; ++i) {
    lut::Record record = table.record(i);
    double known_us = time_us_.at(record.op_type);
    EXPECT_GE(record.p0_us, known_us);
    EXPECT_LE(record.p0_us, 1.05 * known_us);
    EXPECT_LE(record.p0_us, record.p10_us);
    EXPECT_LE(record.p10_us, record.p50_us);
    EXPECT_LE(record.p50_us, record.p90_us);
    EXPECT_LE(record.p90_us, record.p100_us);
  }
  lut::Net net = small_net();
  lut::Estimate estimate = lut::estimate(net, lut::infer_shapes(net), table, {});
  EXPECT_TRUE(estimate.all_found);
  EXPECT_GE(estimate.found_us, 2 * 100 + 2 * 200 + 50);

  EXPECT_FALSE(fs::exists(folder_ / "phone-op_lut_database.json.partial"));
  std::string provenance = read(folder_ / "phone-op_lut_database.provenance.json");
  EXPECT_THAT(provenance, HasSubstr("\"torch\": \"9.9\""));
  EXPECT_THAT(provenance, HasSubstr("\"repetitions\": 20"));
  EXPECT_THAT(provenance, HasSubstr("\"samples\": 20"));
}

TEST_F(RunTest, ExtendsATableWithoutMeasuringAgain) {
  run_it();
  options_.lut = options_.output;
  time_us_.clear();  // nothing may be asked for
  RunResult again = run_it();
  EXPECT_EQ(again.planned, 0u);
  EXPECT_EQ(again.known, 3u);
  EXPECT_EQ(lut::Table::load(options_.output).size(), 3u);
  EXPECT_THAT(read(provenance_path(options_.output)),
              HasSubstr("\"extends\": \"phone-op_lut_database.json\",\n  \"records_taken_over\": 3"));
}

TEST_F(RunTest, KeepsWhatItCouldMeasureAndNamesTheRest) {
  time_us_.erase("Softmax");
  RunResult result = run_it();
  EXPECT_EQ(result.measured, 2u);
  ASSERT_THAT(result.missing, SizeIs(1));
  EXPECT_EQ(result.missing[0].op_type, "Softmax");
  EXPECT_EQ(result.missing[0].reason, "no kernel for operator type Softmax");
  EXPECT_EQ(lut::Table::load(options_.output).size(), 2u);
  EXPECT_THAT(read(provenance_path(options_.output)),
              HasSubstr("\"reason\": \"no kernel for operator type Softmax\""));
  EXPECT_THAT(report(options_, result), HasSubstr("Not measured: 1 operators\n"));
  options_.json = true;
  EXPECT_THAT(report(options_, result), HasSubstr("\"op_type\": \"Softmax\""));
}

TEST_F(RunTest, AnInterruptedRunIsResumed) {
  int visits = 0;
  EXPECT_TRUE(run_it([&] { return ++visits == 5; }).stopped);
  EXPECT_FALSE(fs::exists(options_.output));
  EXPECT_TRUE(fs::exists(options_.output.string() + ".partial"));
  int further_visits = 0;
  RunResult result = run_it([&] { return ++further_visits, false; });
  EXPECT_EQ(further_visits, 6 - 4);  // 3 operators, 2 rounds, 4 visits already done
  EXPECT_EQ(result.measured, 3u);
  EXPECT_THAT(read(provenance_path(options_.output)), HasSubstr("\"resumed\": true"));
}

TEST_F(RunTest, DryRunListsTheOperatorsAndWritesNothing) {
  options_.dry_run = true;
  DryRunResult result = dry_run(options_, kernels_);
  EXPECT_THAT(types(result.plan.operators()), ElementsAre("Relu", "Conv", "Softmax"));
  EXPECT_GE(result.estimated_s, 20 * 350e-6);
  EXPECT_THAT(report(options_, result), HasSubstr("3 distinct operators to measure for phone"));
  EXPECT_FALSE(fs::exists(options_.output));
  EXPECT_FALSE(fs::exists(options_.output.string() + ".partial"));
}

TEST_F(RunTest, InputGivesANetworkItsShape) {
  options_.inputs["data"] = {2, 8, 4, 4};
  EXPECT_EQ(make_plan(options_).operators()[0].input_shapes[0], (lut::Shape{2, 8, 4, 4}));
  options_.inputs["no-such"] = {1};
  EXPECT_EQ(message_of<ValueError>([&] { make_plan(options_); }),
            "--input must name an input of a network, got \"no-such\"");
}

}  // namespace
}  // namespace latgrad::profile
