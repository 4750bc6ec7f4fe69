#include "latgrad/profile/steadiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "made_up_runner.h"
#include "small_net.h"

namespace latgrad::profile {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(SteadinessTest, IsAWordAndANumber) {
  EXPECT_EQ(steadiness_text(0.031), "steady 3 %");
  EXPECT_EQ(steadiness_text(0.19), "restless 19 %");
  EXPECT_EQ(steadiness_text(0.31), "noisy 31 %");
  EXPECT_EQ(steadiness_text(0.031, 0.01), "restless 3 %");
  EXPECT_EQ(with_steadiness(0.31, kSteady, "FBNet-C"), "noisy 31 %  FBNet-C");
  EXPECT_EQ(with_steadiness(std::nullopt, kSteady, "FBNet-C"), "FBNet-C");
}

TEST(SteadinessTest, IsThatOfTheReference) {
  MadeUpRunner runner;
  const Reference reference = net_reference("small", small_net());
  runner.factor = [&] { return runner.clock_us < 800e3 ? 1 : 1.5; };
  const std::optional<Steadiness> found = measure_steadiness(reference, runner, 1);
  EXPECT_DOUBLE_EQ(found->reference_us, 650);
  EXPECT_NEAR(found->unsteadiness, 0.5, 1e-9);  // a fifth of the runs are slow
  runner.time_us.clear();
  EXPECT_FALSE(measure_steadiness(reference, runner, 1));
}

TEST(SteadinessTest, AdviceIsForWhatThereIs) {
  runner::RunnerInfo runner;
  runner.cores = {1};
  runner.machine.governor = "performance";
  EXPECT_THAT(steadiness_advice(runner, 0.1), SizeIs(1));
  runner.machine.governor = "powersave";
  EXPECT_THAT(
      steadiness_advice(runner, std::nullopt),
      ElementsAre("set the clock's governor to performance, it is powersave", HasSubstr("keep it cool")));
  runner.cores.clear();
  EXPECT_THAT(
      steadiness_advice(runner, 1.84),
      ElementsAre(HasSubstr("governor"), "pin the threads to cores",
                  "stop what else runs on it, 1.8 processes were ready to run", HasSubstr("keep it cool")));
}

}  // namespace
}  // namespace latgrad::profile
