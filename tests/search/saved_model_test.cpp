#include "latgrad/search/saved_model.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two devices, two layers, of which the second is narrower.
SavedModel small_model() {
  SavedModel model;
  model.devices = {"us", "mJ"};
  model.num_candidates = 3;
  model.layers = {{"stem", {"a", "b", "skip"}, {true, false, true}}, {"top", {"a", "b"}, {true, true}}};
  model.figures = {{"p50", {10, 20.5}, {1, 0, 0.1, 3, 4, 0, 5, 0, 6, 7, 8, 0}}};
  return model;
}

TEST(SavedModelTest, PricesAndNamesArchitectures) {
  const SavedModel model = small_model();
  EXPECT_DOUBLE_EQ(model.estimate_us({2, 1}), 10 + 0.1 + 4);
  EXPECT_DOUBLE_EQ(model.estimate_us({0, 0}, "p50", 1), 20.5 + 5 + 7);
  EXPECT_THAT(model.decode({2, 1}), ElementsAre("skip", "b"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({1, 0}), ValueError,
                       HasSubstr("must choose candidates that are offered, got 1 in stem"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({0, 2}), ValueError, HasSubstr("got 2 in top"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({0, -1}), ValueError, HasSubstr("got -1 in top"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({0}), ValueError,
                       HasSubstr("a candidate for each of the 2 layers, got 1"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({0, 0}, "p90"), ValueError,
                       HasSubstr("must have the statistic, got \"p90\""));
  LATGRAD_EXPECT_ERROR(model.estimate_us({0, 0}, "p50", 2), ValueError,
                       HasSubstr("one of the model's 2, from 0, got 2"));
}

TEST(SavedModelTest, TextGivesTheSameModel) {
  SavedModel model = small_model();
  model.architecture = Architecture{2, 0};
  const SavedModel copy = parse_saved_model(saved_model_text(model), "model.json");
  EXPECT_EQ(saved_model_text(copy), saved_model_text(model));
  EXPECT_EQ(copy.devices, model.devices);
  EXPECT_EQ(copy.figures[0].table_us, model.figures[0].table_us);
  ASSERT_TRUE(copy.architecture.has_value());
  EXPECT_DOUBLE_EQ(copy.estimate_us(*copy.architecture, copy.statistic), 10 + 0.1 + 3);
}

// Two layers of two candidates, a fixed part, and two ways to err.
SavedModel calibrated_model() {
  SavedModel model;
  model.devices = {"phone"};
  model.num_candidates = 2;
  model.layers = {{"stem", {"a", "b"}, {true, true}}, {"top", {"a", "b"}, {true, true}}};
  model.figures = {{"p50", {100}, {10, 20, 30, 40}}};
  model.errors = SavedModel::Errors{0,
                                    {3, 0, -3, 0, 1,  //
                                     0, 2, 0, 0, 0}};
  return model;
}

TEST(SavedModelTest, IntervalsKnowWhatErrsTogether) {
  SavedModel model = calibrated_model();
  // The first layer's error and the second's cancel: what is left is that of the fixed part.
  const Interval together = model.interval_us({0, 0});
  EXPECT_DOUBLE_EQ(together.mean_us, 140);
  EXPECT_NEAR(together.high_us, 140 + kNormal90 * 1, 1e-9);
  EXPECT_NEAR(together.low_us, 140 - kNormal90 * 1, 1e-9);
  EXPECT_NEAR(model.interval_us({1, 1}).high_us, 160 + kNormal90 * std::sqrt(1 + 4), 1e-9);
  model.errors->noise = 0.1;
  EXPECT_GT(model.interval_us({0, 0}).high_us, 140 * 1.2);
  const SavedModel copy = parse_saved_model(saved_model_text(model), "model.json");
  EXPECT_DOUBLE_EQ(copy.interval_us({1, 0}).low_us, model.interval_us({1, 0}).low_us);
  LATGRAD_EXPECT_ERROR(model.interval_us({0, 2}), ValueError, HasSubstr("got 2 in top"));
  LATGRAD_EXPECT_ERROR(small_model().interval_us({2, 1}), ValueError,
                       HasSubstr("says nothing of its errors"));
}

TEST(SavedModelTest, ErrorsThatDoNotFitAreErrors) {
  const std::string text = saved_model_text(calibrated_model());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  LATGRAD_EXPECT_ERROR(parse_saved_model(with("\"noise\": 0", "\"noise\": -1"), "m.json"), ParseError,
                       HasSubstr("not negative"));
  LATGRAD_EXPECT_ERROR(parse_saved_model(with("-3", "-3, 5"), "m.json"), ParseError,
                       HasSubstr("one entry for each of the 5 candidates of all layers and the fixed part"));
  SavedModel two = calibrated_model();
  two.devices = {"phone", "board"};
  two.figures = {{"p50", {100, 100}, std::vector<double>(8)}};
  LATGRAD_EXPECT_ERROR(parse_saved_model(saved_model_text(two), "m.json"), ParseError,
                       HasSubstr("errors must be absent where there are several devices"));
}

TEST(SavedModelTest, AFileIsReadAndAPackageWithoutModelIsAnError) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "latgrad-saved-model";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "model.json") << saved_model_text(small_model());
  EXPECT_THAT(load_latency_model(folder / "model.json").decode({0, 1}), ElementsAre("a", "b"));
  // The end of an empty archive.
  std::ofstream(folder / "empty.pt2", std::ios::binary) << "PK\x05\x06" << std::string(18, '\0');
  LATGRAD_EXPECT_ERROR(load_latency_model(folder / "empty.pt2"), ParseError,
                       HasSubstr("a package must hold latgrad_model.json among its extra files"));
  LATGRAD_EXPECT_ERROR(load_latency_model(folder / "absent.json"), IoError, HasSubstr("absent.json"));
  std::filesystem::remove_all(folder);
}

TEST(SavedModelTest, CountsThatDoNotFitAreErrors) {
  const std::string text = saved_model_text(small_model());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  LATGRAD_EXPECT_ERROR(parse_saved_model(with("\"num_candidates\": 3", "\"num_candidates\": 2"), "m.json"),
                       ParseError, HasSubstr("at most 2 candidates"));
  LATGRAD_EXPECT_ERROR(
      parse_saved_model(with("\"num_candidates\": 3", "\"num_candidates\": 99999999999"), "m.json"),
      ParseError, HasSubstr("num_candidates"));
  LATGRAD_EXPECT_ERROR(
      parse_saved_model(with("\"version\": 1", "\"version\": 2"), "m.json"), ParseError,
      HasSubstr("version must be 1: the model was saved by another version of latgrad, got 2"));
  LATGRAD_EXPECT_ERROR(parse_saved_model(with("20.5", "-20.5"), "m.json"), ParseError,
                       HasSubstr("finite and not negative"));
  LATGRAD_EXPECT_ERROR(parse_saved_model(with("20.5", "20.5, 1"), "m.json"), ParseError,
                       HasSubstr("have 2 numbers"));
}

}  // namespace
}  // namespace latgrad::search
