#include "latgrad/profile/measure_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/profile/reference.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/random_architecture.h"
#include "made_up_engine.h"
#include "shared_data.h"

namespace latgrad::profile {
namespace {

using ::testing::HasSubstr;

class MeasurePlanTest : public testing::Test {
 protected:
  MeasuredPlan measure(const PlanOptions& options, const PlanHooks& hooks = {},
                       std::vector<MeasuredArchitecture> known = {}) {
    return measure_plan(space_, search::Precision::kFp32, operators_, calibrator_, std::move(known), engine_,
                        options, hooks);
  }

  double true_us(const search::Architecture& arch) {
    const net::Net net = search::lower(space_, arch, search::Precision::kFp32);
    const net::NetShapes shapes = net::infer_shapes(net);
    double sum_us = engine_.call_us;
    for (size_t i = 0; i < net.ops.size(); ++i) sum_us += engine_.operator_us(net.ops[i], shapes.ops[i]);
    return sum_us;
  }

  const search::Space space_ = search::Space::load(source_file("data/spaces/fbnet_cifar.textproto"));
  const search::SpaceOperators operators_{space_, search::Precision::kFp32};
  const search::Calibrator calibrator_{operators_.keys(), operators_.physical(),
                                       search::typical_networks(space_, operators_), /*of_one_space=*/true};
  MadeUpEngine engine_;
};

TEST_F(MeasurePlanTest, EndsWhenTheErrorIsSmall) {
  std::vector<double> errors;
  const MeasuredPlan plan =
      measure({.target = 0.03},
              {.on_calibrated = [&](const MeasuredPlan& so_far) { errors.push_back(so_far.error); }});
  EXPECT_LE(plan.error, 0.03);
  EXPECT_EQ(errors.back(), plan.error);
  EXPECT_LT(plan.architectures.size(), 80U);
  for (size_t i = 0; i + 1 < errors.size(); ++i) EXPECT_GT(errors[i], 0.03);
  for (const MeasuredArchitecture& one : plan.architectures) {
    EXPECT_NEAR(one.time_us / true_us(one.arch), 1, 1e-6);
  }
  // The error is about that of architectures that were not measured.
  std::vector<search::TimedNetwork> networks;
  for (const MeasuredArchitecture& one : plan.architectures)
    networks.push_back({operators_.of(one.arch), one.time_us});
  const search::OperatorPosterior posterior = calibrator_.calibrate(networks).posterior;
  std::mt19937_64 random(5);
  double error = 0;
  for (int i = 0; i < 100; ++i) {
    const search::Architecture arch = search::random_architecture(space_, random);
    error += std::abs(posterior.price(operators_.of(arch)).mean_us / true_us(arch) - 1) / 100;
  }
  EXPECT_LT(error, 0.03);
}

// The next day the machine is half as fast.
TEST_F(MeasurePlanTest, GoesOnAtTheSpeedOfThoseThatAreKnown) {
  const MeasuredPlan first = measure({.target = 1e-6, .most = 10});
  EXPECT_EQ(first.architectures.size(), 10U);
  EXPECT_EQ(first.architectures[0].arch, reference_architecture(space_, search::Precision::kFp32));
  engine_.factor = [] { return 2.0; };
  const MeasuredPlan second = measure({.target = 1e-6, .most = 20}, {}, first.architectures);
  ASSERT_EQ(second.architectures.size(), 20U);
  for (const MeasuredArchitecture& one : second.architectures) {
    EXPECT_NEAR(one.time_us / true_us(one.arch), 1, 1e-6);
  }
}

TEST_F(MeasurePlanTest, ABatchThatIsStoppedDoesNotCount) {
  int visits = 0;
  const MeasuredPlan plan =
      measure({.target = 1e-6, .most = 40}, {.stop_requested = [&] { return ++visits > 60; }});
  EXPECT_TRUE(plan.stopped);
  EXPECT_EQ(plan.architectures.size(), 9U);  // the reference and one batch of eight
}

// The engine refuses all architectures with a shuffle of channels, which are most.
TEST_F(MeasurePlanTest, ArchitecturesThatDoNotRunAreLeftOut) {
  const search::Architecture reference = reference_architecture(space_, search::Precision::kFp32);
  const net::Net net = search::lower(space_, reference, search::Precision::kFp32);
  ASSERT_TRUE(
      std::ranges::none_of(net.ops, [](const net::Operator& op) { return op.type == "ChannelShuffle"; }));
  engine_.cannot_run = "ChannelShuffle";
  LATGRAD_EXPECT_ERROR(measure({.target = 1e-6, .most = 10}), runner::RunnerError,
                       HasSubstr("no kernel for operator type ChannelShuffle"));
}

TEST_F(MeasurePlanTest, TheBudgetEndsIt) {
  PlanOptions options{.target = 1e-6, .most = 1000};
  options.rounds.budget_s = 0.01;
  const MeasuredPlan plan = measure(options);
  EXPECT_TRUE(plan.budget_spent);
  EXPECT_LT(plan.architectures.size(), 30U);
}

TEST_F(MeasurePlanTest, AnEngineThatCannotRunThemSaysWhy) {
  engine_.cannot_run = "Conv";
  LATGRAD_EXPECT_ERROR(measure({}), runner::RunnerError, HasSubstr("no kernel for operator type Conv"));
}

TEST_F(MeasurePlanTest, OptionsOutOfRange) {
  LATGRAD_EXPECT_ERROR(measure({.target = 0}), ValueError, HasSubstr("the target must be positive, got 0"));
  LATGRAD_EXPECT_ERROR(
      measure({.most = 1}, {}, std::vector<MeasuredArchitecture>(2)), ValueError,
      HasSubstr("more architectures must be allowed than the 2 that are known, and 5 at least, got 1"));
}

}  // namespace
}  // namespace latgrad::profile
