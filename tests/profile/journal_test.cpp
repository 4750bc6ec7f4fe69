#include "latgrad/profile/journal.h"

#include <fstream>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "temporary_folder.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using lut::OperatorKey;
using net::Argument;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class JournalTest : public ::testing::Test {
 protected:
  Journal open(size_t num_operators = 3) { return Journal(path_, settings_, num_operators, {}); }

  TemporaryFolder folder_;
  RunSettings settings_{.device = "phone",
                        .cpu_model = "CPU \"1\"",
                        .engine = "qnnpack",
                        .framework = "torch 2.13.0",
                        .threads = 1,
                        .warmup = 1};
  fs::path path_ = folder_ / "table.json.partial";
};

TEST_F(JournalTest, GivesBackWhatAnEarlierRunMeasured) {
  {
    Journal journal = open();
    EXPECT_FALSE(journal.resumed());
    journal.add_visit({{{2, {1.5, 2.00049}}, {0, {7}}}});
    journal.add_unsupported(1, "no \"kernel\"");
    journal.add_visit({{{2, {3}}}, {{100.0004, 102}}});
  }
  Journal journal = open();
  EXPECT_TRUE(journal.resumed());
  EXPECT_THAT(journal.samples().all_times()[2].samples_us(), ElementsAre(1.5, 2, 3));
  EXPECT_EQ(journal.samples().visits(), 2u);
  EXPECT_EQ(journal.samples().undisturbed_us(), 101);
  EXPECT_EQ(journal.unsupported()[1], "no \"kernel\"");
  journal.discard();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(JournalTest, CutsOffATornLineAndGoesOn) {
  open().add_visit({{{0, {1}}}});
  std::ofstream(path_, std::ios::app) << R"({"visit": {"1": [4.)";
  {
    Journal journal = open();
    EXPECT_THAT(journal.samples().times()[0].samples_us(), ElementsAre(1));
    EXPECT_THAT(journal.samples().times()[1].samples_us(), IsEmpty());
    journal.add_visit({{{1, {5}}}});
  }
  EXPECT_THAT(open().samples().times()[1].samples_us(), ElementsAre(5));
}

TEST_F(JournalTest, BeginsAfreshWhereNotEvenTheFirstLineWasWritten) {
  folder_.write("table.json.partial", "{\"latgrad_prof");
  EXPECT_FALSE(open().resumed());
  EXPECT_TRUE(open().resumed());
}

TEST_F(JournalTest, RefusesToMixRunsOfDifferentSettings) {
  open();
  settings_.threads = 2;
  LATGRAD_EXPECT_ERROR(
      open(), ValueError,
      AllOf(HasSubstr("an interrupted run can only be resumed with the options that it was started with; "
                      "they were {"),
            HasSubstr("\"threads\": 1"), HasSubstr("\"threads\": 2"), HasSubstr(path_.string())));
  settings_.threads = 1;
  settings_.cpu_model = "another";
  LATGRAD_EXPECT_ERROR(open(), ValueError, HasSubstr("\"cpu\": \"another\""));
}

TEST_F(JournalTest, NamesTheLineThatIsNotItsOwn) {
  open();
  std::string header = folder_.read("table.json.partial");
  auto expect = [&](const std::string& line, const std::string& message) {
    folder_.write("table.json.partial", header + line + "\n");
    LATGRAD_EXPECT_ERROR(open(2), ParseError, AllOf(HasSubstr(message), HasSubstr("line 2")));
  };
  expect("nonsense", "a journal line must hold JSON: ");
  expect("[]", "a journal line must be an object, got []");
  expect(R"({"other": 1})", R"(a journal line must hold a visit or an unsupported, got {"other": 1})");
  expect(R"({"visit": []})", "visit must be an object, got []");
  expect(R"({"visit": {}})", "visit must hold at least one operator, got {}");
  expect(R"({"visit": {"0": []}})", R"(visit must hold samples of each operator, got {"0": []})");
  expect(R"({"visit": {"x": [1]}})", R"(visit must name operators below 2, got {"x": [1]})");
  expect(R"({"visit": {"2": [1]}})", R"(visit must name operators below 2, got {"2": [1]})");
  expect(R"({"visit": {"1": [-1]}})", R"(visit must hold times that are not negative, got {"1": [-1]})");
  expect(R"({"visit": {"1": ["1"]}})", R"(1 must be a number, got "1" ()");
  expect(R"({"visit": {"0": [1]}})",
         R"(a journal line must have the member flanks, got {"visit": {"0": [1]}})");
  expect(R"({"visit": {"0": [1]}, "flanks": [[1, -1]]})",
         "flanks must hold pairs of times that are not negative, got [[1, -1]]");
  expect(R"({"visit": {"0": [1]}, "flanks": [[1, 1], [1, 1]]})", "visit must hold samples of each run");
  expect(R"({"visit": {"0": [1]}, "flanks": [[1]]})", "flanks must hold pairs of times");
  expect(R"({"unsupported": {}})", "unsupported must hold one operator, got {}");
  expect(R"({"unsupported": {"0": 1}})", "0 must be text, got 1");
}

TEST_F(JournalTest, SaysWhereItCannotWrite) {
  path_ = folder_.path() / "no" / "such";
  LATGRAD_EXPECT_ERROR(open(), IoError, HasSubstr("cannot write the journal ("));
}

TEST(PlanHashTest, SeesOrderAndShapesButNotSpelling) {
  auto relu = [](int64_t channels) {
    return OperatorKey{"Relu", {}, {{1, channels, 4, 4}}, {net::DataType::kFloat}};
  };
  OperatorKey one{"Conv", {Argument::of_int("kernel", 3)}, {}, {}};
  OperatorKey same{"Conv", {Argument::of_int("kernel_h", 3), Argument::of_int("kernel_w", 3)}, {}, {}};
  EXPECT_EQ(plan_hash(std::vector{one, relu(8)}), plan_hash(std::vector{same, relu(8)}));
  EXPECT_NE(plan_hash(std::vector{one, relu(8)}), plan_hash(std::vector{relu(8), one}));
  EXPECT_NE(plan_hash(std::vector{relu(8)}), plan_hash(std::vector{relu(9)}));
}

}  // namespace
}  // namespace latgrad::profile
