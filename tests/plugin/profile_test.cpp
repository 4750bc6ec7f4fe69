// The profiler with LibTorch's kernels: a small space and a published network from end to end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "engine.h"
#include "latgrad/lut/error.h"
#include "latgrad/lut/netdef.h"
#include "latgrad/lut/table.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "run.h"
#include "shared_data.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using lut::Argument;
using lut::OperatorKey;
using lut::Shape;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TorchEngine& engine() {
  static TorchEngine engine(1);
  return engine;
}

Argument arg(const char* name, int64_t value) { return Argument::of_int(name, value); }

// Why the operator cannot be run; empty when it can.
std::string reason(const OperatorKey& key) {
  Prepared prepared = engine().prepare(key);
  if (const auto* unsupported = std::get_if<Unsupported>(&prepared)) return unsupported->reason;
  std::get<Call>(prepared)();
  return "";
}

TEST(TorchEngineTest, SaysWhyAnOperatorCannotBeMeasured) {
  EXPECT_EQ(reason({"Mystery", {}, {{1}}, {}}), "no kernel for operator type Mystery");
  EXPECT_EQ(reason({"Sum", {}, {{1, 2}}, {}}), "Sum must have at least 2 inputs, got 1");
  EXPECT_EQ(reason({"Int8Conv", {arg("stride", 0)}, {{1, 8, 8, 16}, {24, 1, 1, 16}}, {}}),
            "stride must be at least 1, got 0");
  EXPECT_THAT(reason({"Relu", {}, {{1, 1 << 20, 1 << 20}}, {}}),
              HasSubstr("an input must have 1 to 268435456 elements to be measured, got 1099511627776"));
  EXPECT_EQ(reason({"Relu", {}, {{0, 3}}, {}}),
            "an input must have 1 to 268435456 elements to be measured, got 0");
  // Torch's own words where torch refuses.
  EXPECT_THAT(reason({"Conv", {}, {{1, 16, 8, 8}, {16, 7, 1, 1}}, {}}), ::testing::Not(IsEmpty()));
}

TEST(TorchEngineTest, RefusesNoThreads) { EXPECT_THROW(TorchEngine(0), latgrad::ValueError); }

class ProfileTest : public ::testing::TestWithParam<search::Precision> {
 protected:
  ProfileTest() {
    fs::create_directories(folder_);
    options_.precisions = {GetParam()};
    options_.output = folder_ / "here-op_lut_database.json";
    options_.device = "here";
    options_.measure = {.warmup = 1, .repetitions = 5};
  }
  ~ProfileTest() override { fs::remove_all(folder_); }

  RunResult run_it() {
    Kernels kernels{.prepare = [](const OperatorKey& key) { return engine().prepare(key); },
                    .torch_version = torch_version()};
    std::ostringstream out;
    Progress progress(out, Progress::Style::kQuiet);
    return run(options_, kernels, progress, nullptr);
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / ("latgrad-profile-" + std::to_string(::getpid()));
  Options options_;
};

TEST_P(ProfileTest, PricesEveryArchitectureOfASpace) {
  options_.spaces = {source_file("data/spaces/tiny.textproto")};
  EXPECT_THAT(run_it().missing, IsEmpty());

  lut::Table table = lut::Table::load(options_.output);
  search::Space space = search::Space::load(options_.spaces[0]);
  search::LatencyModel model =
      search::build_latency_model(space, table, {.precision = GetParam(), .device = "here"});
  EXPECT_THAT(model.missing, IsEmpty());
  EXPECT_GT(model.by(lut::Statistic::kP50).fixed_us, 0);
  for (const auto& [name, arch] : space.architectures()) {
    lut::Net net = search::lower(space, arch, GetParam());
    lut::Estimate estimate = lut::estimate(net, lut::infer_shapes(net), table, {});
    EXPECT_TRUE(estimate.all_found) << name;
    EXPECT_GT(estimate.found_us, 0) << name;
  }
}

TEST_P(ProfileTest, MeasuresAPublishedNetworkCompletely) {
  LATGRAD_NEED_SHARED("zoo");
  options_.nets = {
      shared_data(GetParam() == search::Precision::kInt8 ? "zoo/FBNet-96/int8" : "zoo/FBNet-96/fp32")};
  options_.measure = {.warmup = 0, .repetitions = 1};
  EXPECT_THAT(run_it().missing, IsEmpty());

  lut::Net net = lut::read_net(options_.nets[0]);
  lut::Table table = lut::Table::load(options_.output);
  for (lut::Matching matching : {lut::Matching::kMeaning, lut::Matching::kReference}) {
    EXPECT_TRUE(lut::estimate(net, lut::infer_shapes(net), table, {.device = "here", .matching = matching})
                    .all_found);
  }
}

INSTANTIATE_TEST_SUITE_P(, ProfileTest, ::testing::Values(search::Precision::kInt8, search::Precision::kFp32),
                         [](const auto& info) { return std::string(search::to_string(info.param)); });

// The program itself, with its exit codes.
class ProfileProgramTest : public ::testing::Test {
 protected:
  ProfileProgramTest() { fs::create_directories(folder_); }
  ~ProfileProgramTest() override { fs::remove_all(folder_); }

  // `before` stands in front of the program.
  int run_it(const std::string& arguments, const std::string& before = "") {
    std::string command = "cd " + folder_.string() + " && " + before + " " + LATGRAD_PROFILE + " " +
                          arguments + " >out.txt 2>err.txt";
    return WEXITSTATUS(std::system(command.c_str()));
  }
  std::string read(const char* name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_ =
      fs::path(::testing::TempDir()) / ("latgrad-profile-program-" + std::to_string(::getpid()));
};

TEST_F(ProfileProgramTest, ACompleteTableIsExitCode0) {
  EXPECT_EQ(run_it("--space tiny --device here --repetitions 1 --quiet"), 0);
  EXPECT_THAT(read("out.txt"), HasSubstr("Table: here-op_lut_database.json\n"));
  EXPECT_EQ(read("err.txt"), "");
  EXPECT_GT(lut::Table::load(folder_ / "here-op_lut_database.json").size(), 0u);
  EXPECT_TRUE(fs::exists(folder_ / "here-op_lut_database.provenance.json"));
}

TEST_F(ProfileProgramTest, AnErrorIsExitCode1AndSaysWhatIsWrong) {
  EXPECT_EQ(run_it("--net no-such-folder"), 1);
  EXPECT_THAT(read("err.txt"), HasSubstr("latgrad profile: error: "));
  EXPECT_THAT(read("err.txt"), HasSubstr("no-such-folder"));
  EXPECT_EQ(read("out.txt"), "");
}

TEST_F(ProfileProgramTest, AFullDiskIsExitCode1) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const std::string command =
      std::string(LATGRAD_PROFILE) + " --help >/dev/full 2>" + (folder_ / "err.txt").string();
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_EQ(read("err.txt"), "latgrad profile: error: standard output cannot be written\n");
}

TEST_F(ProfileProgramTest, WrongUsageIsExitCode2) {
  EXPECT_EQ(run_it(""), 2);
  EXPECT_THAT(read("err.txt"), HasSubstr("--space or --net is required"));
}

TEST_F(ProfileProgramTest, SomethingMissingIsExitCode3) {
  std::ofstream(folder_ / "net.pbtxt") << R"(
    external_input: "data"
    op { input: "data" output: "a" type: "Relu" }
    op { input: "a" output: "b" type: "MaxPool" arg { name: "kernel" i: 2 } }
    op { input: "b" output: "c" type: "NoSuchOperator" })";
  EXPECT_EQ(run_it("--net net.pbtxt --input data=1,3,8,8 --output o.json --repetitions 1"), 3);
  EXPECT_THAT(read("out.txt"), HasSubstr("Measured 1 operators"));
  EXPECT_THAT(read("out.txt"), HasSubstr("no kernel for operator type MaxPool"));
  EXPECT_THAT(read("out.txt"), HasSubstr("NoSuchOperator of unknown shape"));
  EXPECT_EQ(lut::Table::load(folder_ / "o.json").size(), 1u);
}

TEST_F(ProfileProgramTest, CtrlCLeavesWhatTheSameCommandResumes) {
  std::string arguments = "--space tiny --output o.json --warmup 0 --repetitions ";
  EXPECT_EQ(run_it(arguments + "1000000", "timeout --preserve-status --signal INT 2"), 128 + SIGINT);
  EXPECT_THAT(read("err.txt"), HasSubstr("latgrad profile: interrupted; the same command resumes\n"));
  EXPECT_FALSE(fs::exists(folder_ / "o.json"));
  EXPECT_THAT(read("o.json.partial"), HasSubstr("\"samples_us\""));
  EXPECT_EQ(run_it(arguments + "7"), 1);
  EXPECT_THAT(read("err.txt"), HasSubstr("an interrupted run can only be resumed by the same command"));
}

}  // namespace
}  // namespace latgrad::profile
