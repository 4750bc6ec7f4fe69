#include "latgrad/profile/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "latgrad/profile/plan.h"
#include "made_up_runner.h"
#include "small_net.h"
#include "temporary_folder.h"

namespace latgrad::profile {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Relu 100 us, Conv 200 us, Softmax 50 us, carried by one network.
class MeasureTest : public ::testing::Test {
 protected:
  MeasureTest() {
    plan_.add_net(small_net());
    carriers_.emplace(plan_.operators());
    carriers_->add_net("small", small_net());
  }

  Journal journal() {
    return Journal(folder_ / "t.partial", {}, plan_.operators().size(),
                   {.flank_tolerance = options_.flank_tolerance});
  }
  MeasureResult measure_into(Journal& journal, const MeasureHooks& hooks = {}) {
    return measure(*carriers_, plan_.operators(), &reference_, runner_, journal, options_, hooks);
  }

  TemporaryFolder folder_;
  Plan plan_;
  std::optional<Carriers> carriers_;
  Reference reference_ = net_reference("small", small_net());
  MadeUpRunner runner_;
  RoundOptions options_;
};

TEST_F(MeasureTest, EndsWhenEveryTimeIsKnown) {
  Journal journal = this->journal();
  MeasureResult result = measure_into(journal);
  EXPECT_FALSE(result.stopped);
  EXPECT_FALSE(result.budget_spent);
  std::vector<Times> times = journal.samples().times();
  EXPECT_EQ(journal.samples().visits(), 6u);                         // the fewest that have an interval
  EXPECT_THAT(times[0].samples_us(), ::testing::SizeIs(6 * 3 * 2));  // Relu stands in the network twice
  EXPECT_THAT(times[0].samples_us(), Each(100));
  EXPECT_THAT(times[1].samples_us(), Each(200));
  EXPECT_EQ(times[2].relative_error(), 0);
  EXPECT_EQ(journal.samples().undisturbed_us(), 2 * 100 + 2 * 200 + 50);
}

// The errors of what was measured, at a percentile, relative to the known times.
std::vector<double> errors(const std::vector<Times>& times, const std::vector<double>& known_us,
                           double percent) {
  std::vector<double> errors;
  for (size_t op = 0; op < times.size(); ++op) {
    errors.push_back(percentile(times[op].samples_us(), percent) / known_us[op] - 1);
  }
  return errors;
}

TEST_F(MeasureTest, SlowPhasesThatSpoilRawTimesLeaveRatiosAlone) {
  const std::vector<double> known_us = {20e3, 40e3, 10e3};  // a run takes 130 ms: phases end in the middle
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    MadeUpRunner machine;
    machine.time_us = {{"Relu", known_us[0]}, {"Conv", known_us[1]}, {"Softmax", known_us[2]}};
    SlowPhases phases(seed);
    std::mt19937_64 random(seed);
    machine.factor = [&] {  // and every operator varies by 1 %
      return phases.factor_at(machine.clock_us) *
             (0.995 + 0.01 * static_cast<double>(random() % 1000) / 1000);
    };
    TemporaryFolder folder;
    Journal paired(folder / "paired", {}, 3, {.flank_tolerance = options_.flank_tolerance});
    Journal raw(folder / "raw", {}, 3, {});
    for (auto [journal, reference] : {std::pair(&paired, &reference_), {&raw, nullptr}}) {
      int visits = 0;
      measure(*carriers_, plan_.operators(), reference, machine, *journal, {.target = 1e-6},
              {.on_visit = {}, .stop_requested = [&] { return ++visits > 150; }});
    }
    // Of nine samples in ten, not of the median alone, which a machine that is mostly fast gets right anyway.
    for (const double percent : {10, 50, 90}) {
      EXPECT_THAT(errors(paired.samples().times(), known_us, percent), Each(DoubleNear(0, 0.01))) << percent;
    }
    const std::vector<Times> times = raw.samples().times();
    EXPECT_GT(percentile(times[0].samples_us(), 75) / known_us[0], 1.2);
    EXPECT_GT(paired.samples().discarded_samples(), 0u);
  }
}

TEST_F(MeasureTest, GoesOnWhereTheIntervalIsTooWide) {
  double step = 0;
  runner_.factor = [&] { return 1 + 0.1 * std::sin(step += 1.3); };
  Journal journal = this->journal();
  measure_into(journal);
  EXPECT_GT(journal.samples().visits(), 10u);
  for (const Times& times : journal.samples().times()) {
    EXPECT_LE(*times.relative_error(), options_.target);
  }
}

TEST_F(MeasureTest, RedoesWhatWasMeasuredWhileTheMachineChangedItsSpeed) {
  // In the first four visits every run is slower than the one before.
  runner_.factor = [&] { return runner_.requests <= 4 ? 1 + runner_.clock_us / 1000 : 1.0; };
  Journal journal = this->journal();
  measure_into(journal);
  EXPECT_GT(journal.samples().discarded_samples(), 4u);
  for (const Times& times : journal.samples().times()) {
    EXPECT_GE(times.visits(), 6u);
    EXPECT_LE(*times.relative_error(), options_.target);
  }
  EXPECT_NEAR(percentile(journal.samples().times()[1].samples_us(), 50), 200, 2);
}

TEST_F(MeasureTest, FinishesTheFirstRoundWhateverTheBudget) {
  options_.budget_s = 1e-9;
  Journal journal = this->journal();
  EXPECT_TRUE(measure_into(journal).budget_spent);
  EXPECT_EQ(journal.samples().visits(), 1u);
}

TEST_F(MeasureTest, GoesOnWhereItWasStopped) {
  int visits = 0;
  {
    Journal journal = this->journal();
    EXPECT_TRUE(
        measure_into(journal, {.on_visit = {}, .stop_requested = [&] { return ++visits == 5; }}).stopped);
    EXPECT_EQ(journal.samples().visits(), 4u);
  }
  Journal journal = this->journal();
  EXPECT_EQ(journal.samples().visits(), 4u);
  EXPECT_FALSE(measure_into(journal).stopped);
  EXPECT_EQ(journal.samples().visits(), 6u);
}

TEST_F(MeasureTest, AnOperatorThatCannotRunIsNotWaitedFor) {
  runner_.time_us.erase("Softmax");
  Journal journal = this->journal();
  EXPECT_FALSE(measure_into(journal).budget_spent);
  EXPECT_EQ(journal.unsupported()[2], "no kernel for operator type Softmax");
  EXPECT_THAT(journal.samples().times()[2].samples_us(), IsEmpty());
  EXPECT_THAT(journal.samples().times()[0].samples_us(), Each(100));
}

TEST_F(MeasureTest, WhereNothingCanRunItEndsAtOnce) {
  runner_.time_us.clear();
  Journal journal = this->journal();
  measure_into(journal);
  EXPECT_EQ(journal.samples().visits(), 0u);
}

TEST_F(MeasureTest, TellsHowFarItIs) {
  std::vector<size_t> settled;
  std::vector<bool> has_left;
  Journal journal = this->journal();
  measure_into(journal, {.on_visit =
                             [&](const Visit& visit) {
                               settled.push_back(visit.settled);
                               has_left.push_back(visit.left_s.has_value());
                               EXPECT_EQ(visit.total, 3u);
                               EXPECT_EQ(visit.name, "small");
                             },
                         .stop_requested = {}});
  EXPECT_THAT(settled, ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(has_left, ElementsAre(false, true, true, true, true, true));
}

TEST_F(MeasureTest, RehearsalEstimatesFromOneRunAndListsWhatCannotRun) {
  runner_.time_us.erase("Conv");
  Rehearsal rehearsal = rehearse(*carriers_, plan_.operators(), nullptr, runner_, options_);
  EXPECT_THAT(rehearsal.unsupported, ElementsAre("", "no kernel for operator type Conv", ""));
  EXPECT_GE(rehearsal.estimated_s, 15 * (1 + 3 - 1) * 250e-6);  // rounds that are usual, each of 4 runs
  EXPECT_LT(rehearsal.estimated_s, 5);
  options_.budget_s = 1e-3;
  EXPECT_LT(rehearse(*carriers_, plan_.operators(), nullptr, runner_, options_).estimated_s, 0.1);
  // The reference runs as often.
  options_.budget_s = 100;
  EXPECT_GE(rehearse(*carriers_, plan_.operators(), &reference_, runner_, options_).estimated_s,
            15 * (1 + 3 - 1) * 2 * 250e-6);
}

}  // namespace
}  // namespace latgrad::profile
