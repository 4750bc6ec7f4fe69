// The runner with LibTorch's kernels: made-up chains, delays of known length, and published networks.

#include "torch_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "latgrad/net/read_net.h"
#include "latgrad/runner/affinity.h"
#include "onednn_isa.h"
#include "runner_keys.h"
#include "shared_data.h"

namespace latgrad::runner {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// As the program does, before any test computes.
class RunnerProcess : public ::testing::Environment {
  void SetUp() override { avoid_faulty_amx(); }
};
const auto* const runner_process = ::testing::AddGlobalTestEnvironment(new RunnerProcess);

template <typename E>
std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string open_error(const RunnerSettings& settings) {
  return message_of<ValueError>([&] { TorchRunner().open(settings); });
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Chain small_int8_chain() {
  return {link("Int8Quantize", {}, {{1, 8, 8, 16}}),
          link("Int8ConvRelu", {arg("kernel", 3), arg("pad", 1)}, {{1, 8, 8, 16}, {16, 3, 3, 16}, {16}}, {0}),
          link("Int8Sum", {}, {{1, 8, 8, 16}, {1, 8, 8, 16}}, {1, 0}),
          link("Int8AveragePool", {arg("global_pooling", 1)}, {{1, 8, 8, 16}}, {2}),
          link("Int8FC", {}, {{1, 1, 1, 16}, {10, 16}, {10}}, {3}),
          link("Int8Softmax", {}, {{1, 10}}, {4}),
          link("Int8Dequantize", {}, {{1, 10}}, {5})};
}

class EngineTest : public ::testing::TestWithParam<const char*> {};

TEST_P(EngineTest, RunsASmallInt8Chain) {
  TorchRunner runner;
  RunnerInfo info;
  try {
    info = runner.open({.engine = GetParam(), .pin = false});
  } catch (const ValueError&) {
    GTEST_SKIP() << "this torch has no engine " << GetParam();
  }
  EXPECT_EQ(info.engine, GetParam());
  EXPECT_FALSE(info.int8.empty());
  Chain chain = small_int8_chain();
  Timings timings = runner.measure({.chain = chain, .warmup = 1, .samples = 3});
  EXPECT_THAT(timings.unsupported, Each(""));
  EXPECT_THAT(timings.operators_us, AllOf(SizeIs(chain.size()), Each(SizeIs(3)), Each(Each(Gt(0)))));
  EXPECT_THAT(timings.total_us, IsEmpty());
}

TEST_P(EngineTest, RunsAPublishedInt8Network) {
  LATGRAD_NEED_SHARED("zoo");
  TorchRunner runner;
  try {
    runner.open({.engine = GetParam()});
  } catch (const ValueError&) {
    GTEST_SKIP() << "this torch has no engine " << GetParam();
  }
  const net::Net net = net::read_net(shared_data("zoo/FBNet-96/int8"));
  const Chain chain = make_chain(net, net::infer_shapes(net));
  EXPECT_THAT(runner.measure({.chain = chain}).unsupported, AllOf(SizeIs(net.ops.size()), Each("")));
}

INSTANTIATE_TEST_SUITE_P(, EngineTest, ::testing::Values("qnnpack", "onednn", "x86", "fbgemm"),
                         [](const auto& info) { return info.param; });

TEST(TorchRunnerOpenTest, SaysWhoMeasures) {
  TorchRunner runner;
  RunnerInfo info = runner.open({.engine = "qnnpack", .threads = 1, .pin = false});
  EXPECT_THAT(info.program, HasSubstr("latgrad-runner "));
  EXPECT_EQ(info.engine, "qnnpack");
  EXPECT_EQ(info.int8, "QNNPACK");
  EXPECT_EQ(info.fp32, "LibTorch's default CPU kernels");
  EXPECT_THAT(info.framework, StartsWith("torch " + torch_version()));
  EXPECT_EQ(info.threads, 1);
  EXPECT_THAT(info.cores, IsEmpty());
  EXPECT_GT(info.machine.logical_cores, 0);
}

TEST(TorchRunnerOpenTest, PinsToTheCoresUntilItIsDestroyed) {
  const std::vector<int> before = allowed_cores();
  if (before.empty()) GTEST_SKIP() << "needs a system that tells the cores of a process";
  {
    TorchRunner chooses;
    const std::vector<int> cores = chooses.open({.threads = 1}).cores;
    EXPECT_THAT(cores, SizeIs(1));
    EXPECT_EQ(allowed_cores(), cores);
  }
  EXPECT_EQ(allowed_cores(), before);
  TorchRunner is_told;
  EXPECT_THAT(is_told.open({.cores = {before[0]}}).cores, ElementsAre(before[0]));
  EXPECT_THAT(allowed_cores(), ElementsAre(before[0]));
}

// They would make an operator several times slower, depending on what runs before it.
TEST(TorchRunnerOpenTest, DenormalsAreZeroUntilItIsDestroyed) {
  const auto denormal = [] {
    const volatile float smallest = 1.2e-38f;  // the smallest normal number, nearly
    return smallest * 0.1f;
  };
  {
    TorchRunner runner;
    runner.open({});
    EXPECT_EQ(denormal(), 0);
  }
  EXPECT_GT(denormal(), 0);
}

TEST(TorchRunnerOpenTest, RefusesAnEngineThatIsNotThereAndNamesThoseThatAre) {
  EXPECT_THAT(open_error({.engine = "gemmlowp"}),
              AllOf(HasSubstr("engine must be one that torch " + torch_version() + " has here: "),
                    HasSubstr("qnnpack, "), HasSubstr("or cuda, got \"gemmlowp\"")));
  EXPECT_THAT(open_error({.engine = ""}), HasSubstr("got \"\""));
  EXPECT_THAT(open_error({.engine = "noqengine"}), HasSubstr("got \"noqengine\""));
}

TEST(TorchRunnerOpenTest, RefusesCudaWithoutAGpu) {
  TorchRunner runner;
  try {
    runner.open({.engine = "cuda", .pin = false});
    GTEST_SKIP() << "this machine has a GPU";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(),
                ::testing::AnyOf(HasSubstr("engine cuda needs a GPU that this torch can use; torch " +
                                           torch_version() + " finds none"),
                                 HasSubstr("engine cuda needs torch 2.4 or newer")));
  }
}

TEST(TorchRunnerOpenTest, RefusesThreadsAndCoresOutOfRange) {
  EXPECT_EQ(open_error({.threads = 0}), "threads must be at least 1, got 0");
  if (allowed_cores().empty()) GTEST_SKIP() << "needs a system that tells the cores of a process";
  EXPECT_THAT(open_error({.threads = 100'000}), HasSubstr("cores that this process may use, got 100000"));
  EXPECT_THAT(open_error({.cores = {9999}}),
              HasSubstr("cores must be among those that this process may use"));
  EXPECT_EQ(open_error({.threads = 2, .cores = {allowed_cores()[0]}}),
            "there must be one core for each of the 2 threads, got 1");
}

// On a runner of its own for each test, as the process has one at a time.
class TorchRunnerTest : public ::testing::Test {
 protected:
  TorchRunnerTest() { runner_.open({.engine = "qnnpack", .threads = 1}); }
  TorchRunner runner_;
};

TEST(TorchRunnerMeasureTest, RefusesToMeasureUnopened) {
  const Chain chain;
  EXPECT_EQ(message_of<RunnerError>([&] { TorchRunner().measure({.chain = chain}); }),
            "a runner must be opened before it measures");
}

TEST_F(TorchRunnerTest, MeasuresADelayOfKnownLength) {
  const Chain chain = {link("Relu", {}, {{1, 64}}), link("LatgradDelay", {arg("delay_us", 500)}, {}),
                       link("Relu", {}, {{1, 64}}, {0})};
  Timings timings = runner_.measure({.chain = chain, .warmup = 2, .samples = 31});
  EXPECT_NEAR(median(timings.operators_us[1]), 500, 10);
  EXPECT_LT(median(timings.operators_us[2]), 100);
  EXPECT_THAT(timings.operators_us[1], Each(Ge(500)));
}

TEST_F(TorchRunnerTest, TheWholeChainIsTheSumOfItsOperators) {
  const Chain chain(5, link("LatgradDelay", {arg("delay_us", 200)}, {}));
  // In turns, a whole run and one with its operators timed.
  const Timings whole = runner_.measure({.chain = chain, .samples = 21, .timing = Timing::kWhole});
  EXPECT_THAT(whole.total_us, AllOf(SizeIs(21), Each(Ge(1000))));
  // The fastest, which nothing disturbed.
  const double fastest_us = *std::min_element(whole.total_us.begin(), whole.total_us.end());
  EXPECT_NEAR(fastest_us, 1000, 20);

  std::vector<double> sums(21);
  for (size_t sample = 0; sample < sums.size(); ++sample) {
    for (const std::vector<double>& samples_us : whole.operators_us) sums[sample] += samples_us[sample];
  }
  EXPECT_THAT(sums, Each(Ge(1000)));
  EXPECT_NEAR(*std::min_element(sums.begin(), sums.end()), fastest_us, 20);
}

TEST_F(TorchRunnerTest, PartsOfTheChainAreTimedInTheSameRun) {
  const ChainOperator wait = link("LatgradDelay", {arg("delay_us", 200)}, {});
  const Chain chain = {wait, wait, link("Mystery", {}, {{1, 64}}), wait, link("Mystery", {}, {{1, 64}})};
  const Timings timings =
      runner_.measure({.chain = chain, .samples = 11, .timing = Timing::kWhole, .parts = {0, 2, 1, 1, 1}});
  ASSERT_THAT(timings.parts_us, AllOf(SizeIs(5), Each(SizeIs(11))));
  for (size_t sample = 0; sample < 11; ++sample) {
    double sum_us = 0;
    for (const std::vector<double>& part_us : timings.parts_us) sum_us += part_us[sample];
    EXPECT_NEAR(sum_us, timings.total_us[sample], 1e-3);
  }
  const auto fastest = [&](size_t part) { return std::ranges::min(timings.parts_us[part]); };
  EXPECT_NEAR(fastest(1), 400, 20);
  EXPECT_NEAR(fastest(3), 200, 20);
  for (const size_t empty : {0, 2, 4}) EXPECT_LT(fastest(empty), 5);
}

TEST_F(TorchRunnerTest, AnOperatorThatCannotRunHasNoSamples) {
  const Chain chain = {link("Relu", {}, {{1, 64}}), link("Mystery", {}, {{1, 64}}, {0}),
                       link("Relu", {}, {{1, 64}}, {1})};
  Timings timings = runner_.measure({.chain = chain, .samples = 2});
  EXPECT_THAT(timings.unsupported, ElementsAre("", "no kernel for operator type Mystery", ""));
  EXPECT_THAT(timings.operators_us, ElementsAre(SizeIs(2), IsEmpty(), SizeIs(2)));
}

TEST(TorchRunnerMeasureTest, RunsOnSeveralThreads) {
  if (allowed_cores().size() < 2) GTEST_SKIP() << "needs two cores";
  TorchRunner runner;
  EXPECT_THAT(runner.open({.threads = 2}).cores, SizeIs(2));
  const Chain chain = small_int8_chain();
  EXPECT_THAT(runner.measure({.chain = chain, .samples = 2}).unsupported, Each(""));
}

TEST_F(TorchRunnerTest, AnEmptyChainTakesNoTime) {
  const Chain chain;
  EXPECT_THAT(runner_.measure({.chain = chain, .samples = 2}).operators_us, IsEmpty());
  EXPECT_THAT(runner_.measure({.chain = chain, .samples = 2, .timing = Timing::kWhole}).total_us, SizeIs(2));
}

class PublishedNetworkTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PublishedNetworkTest, RunsCompletely) {
  LATGRAD_NEED_SHARED("zoo");
  const net::Net net = net::read_net(shared_data(std::string("zoo/") + GetParam()));
  const Chain chain = make_chain(net, net::infer_shapes(net));
  TorchRunner runner;
  runner.open({.engine = "qnnpack", .threads = 1});
  const Timings each = runner.measure({.chain = chain, .samples = 5});
  EXPECT_THAT(each.unsupported, AllOf(SizeIs(net.ops.size()), Each("")));
  EXPECT_THAT(each.operators_us, Each(AllOf(SizeIs(5), Each(Gt(0)))));
  double sum_us = 0;
  for (const std::vector<double>& samples_us : each.operators_us) sum_us += std::ranges::min(samples_us);
  // The quickest of each, and generous, as other programs may run: the profiler's own report is strict.
  const Timings whole = runner.measure({.chain = chain, .samples = 5, .timing = Timing::kWhole});
  const double whole_us = std::ranges::min(whole.total_us);
  EXPECT_GT(sum_us, whole_us / 3);
  EXPECT_LT(sum_us, whole_us * 3);
}

INSTANTIATE_TEST_SUITE_P(, PublishedNetworkTest,
                         ::testing::Values("FBNet-96/int8", "FBNet-96/fp32", "FBNet-A/int8", "FBNet-A/fp32",
                                           "ChamNet-A/int8", "ChamNet-A/fp32"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase_if(name, [](char letter) { return letter == '-' || letter == '/'; });
                           return name;
                         });

}  // namespace
}  // namespace latgrad::runner
