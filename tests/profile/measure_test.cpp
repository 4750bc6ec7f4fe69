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
    return Journal(folder_ / "t.partial", {}, plan_.operators().size(), options_.drift_tolerance);
  }
  MeasureResult measure_into(Journal& journal, const MeasureHooks& hooks = {}) {
    return measure(*carriers_, plan_.operators(), runner_, journal, options_, hooks);
  }

  TemporaryFolder folder_;
  Plan plan_;
  std::optional<Carriers> carriers_;
  MadeUpRunner runner_;
  RoundOptions options_;
};

TEST_F(MeasureTest, EndsWhenEveryMedianIsKnown) {
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
}

TEST_F(MeasureTest, GoesOnWhereTheIntervalIsTooWide) {
  double step = 0;
  runner_.factor = [&] { return 1 + 0.1 * std::sin(step += 1.3); };
  Journal journal = this->journal();
  options_.drift_tolerance = 0.5;
  measure_into(journal);
  EXPECT_GT(journal.samples().visits(), 10u);
  for (const Times& times : journal.samples().times()) {
    EXPECT_LE(*times.relative_error(), options_.target);
  }
}

TEST_F(MeasureTest, RedoesWhatWasMeasuredWhileTheMachineWasSlower) {
  runner_.factor = [&] { return runner_.requests <= 4 ? 2.0 : 1.0; };
  Journal journal = this->journal();
  measure_into(journal);
  EXPECT_EQ(journal.samples().discarded_visits(), 4u);
  for (const Times& times : journal.samples().times()) {
    EXPECT_GE(times.visits(), 6u);
    EXPECT_LE(*times.relative_error(), options_.target);
  }
  EXPECT_THAT(journal.samples().times()[1].samples_us(), Each(200));
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
                               EXPECT_EQ(visit.carrier.name, "small");
                             },
                         .stop_requested = {}});
  EXPECT_THAT(settled, ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(has_left, ElementsAre(false, true, true, true, true, true));
}

TEST_F(MeasureTest, RehearsalEstimatesFromOneRunAndListsWhatCannotRun) {
  runner_.time_us.erase("Conv");
  Rehearsal rehearsal = rehearse(*carriers_, plan_.operators(), runner_, options_);
  EXPECT_THAT(rehearsal.unsupported, ElementsAre("", "no kernel for operator type Conv", ""));
  EXPECT_GE(rehearsal.estimated_s, 15 * (1 + 3 - 1) * 250e-6);  // rounds that are usual, each of 4 runs
  EXPECT_LT(rehearsal.estimated_s, 5);
  options_.budget_s = 1e-3;
  EXPECT_LT(rehearse(*carriers_, plan_.operators(), runner_, options_).estimated_s, 0.1);
}

}  // namespace
}  // namespace latgrad::profile
