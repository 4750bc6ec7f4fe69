#include "latgrad/plugin/latency_model.h"

#include <gmock/gmock.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <cstdlib>
#include <functional>

#include "latgrad/lut/record_json.h"
#include "latgrad/plugin/operators.h"
#include "plugin/made_up_table.h"
#include "shared_data.h"

namespace latgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LatencyModelTest : public ::testing::Test {
 protected:
  LatencyModelTest() {
    std::filesystem::create_directories(folder_);
    std::filesystem::copy_file(source_file("data/spaces/tiny.textproto"), space_file_,
                               std::filesystem::copy_options::overwrite_existing);
    lut::write_records(testing::made_up_records(search::Space::load(space_file_), search::Precision::kInt8),
                       lut_file_);
    model_ = c10::make_intrusive<LatencyModel>(space_file_.string(), lut_file_.string());
  }
  ~LatencyModelTest() override { std::filesystem::remove_all(folder_); }

  void expect_state_error(const LatencyModel::State& state, const std::string& message) {
    try {
      LatencyModel model(state);
      FAIL() << "took a state that should fail with: " << message;
    } catch (const c10::ValueError& error) {
      EXPECT_THAT(error.what_without_backtrace(), HasSubstr(message));
    }
  }

  // A state whose parts can be changed without changing another's: dictionaries are references.
  LatencyModel::State fresh_state() const { return model_->state(); }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      (std::string("latgrad-") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const std::filesystem::path space_file_ = folder_ / "tiny.textproto";
  const std::filesystem::path lut_file_ = folder_ / "made-up-op_lut_database.json";
  c10::intrusive_ptr<LatencyModel> model_;
};

TEST_F(LatencyModelTest, StateGivesTheSameModelWithoutFiles) {
  const auto state = fresh_state();
  std::filesystem::remove_all(folder_);
  const LatencyModel copy(state);
  for (const char* statistic : {"p0", "p10", "p50", "p90", "p100", "mean"}) {
    EXPECT_TRUE(torch::equal(copy.table_us(statistic), model_->table_us(statistic)));
    EXPECT_EQ(copy.fixed_us(statistic), model_->fixed_us(statistic));
  }
  EXPECT_TRUE(torch::equal(copy.spread_us(), model_->spread_us()));
  EXPECT_TRUE(torch::equal(copy.valid(), model_->valid()));
  EXPECT_EQ(copy.space(), model_->space());
  EXPECT_EQ(copy.precision(), "int8");
  EXPECT_EQ(copy.device(), testing::kDevice);
  const auto arch = copy.encode({"skip", "k3_e3", "k3k3_e1", "k3_e1"});
  EXPECT_EQ(copy.netdef(arch), model_->netdef(arch));
}

// Version 1 held the medians only.
TEST_F(LatencyModelTest, RefusesAnotherVersionInWords) {
  for (const int64_t version : {1, 4}) {
    auto state = fresh_state();
    std::get<0>(state) = version;
    expect_state_error(state, "must have version 2 or 3, got " + std::to_string(version) +
                                  ": it was saved by another version of latgrad");
  }
}

TEST_F(LatencyModelTest, PricesByTheStatisticThatIsNamed) {
  const auto arch = model_->encode({"k3_e1", "k3_e3", "k3k3_e1", "k3_e1"});
  const char* ascending[] = {"p0", "p10", "p50", "p90", "p100"};
  for (int i = 0; i + 1 < 5; ++i) {
    EXPECT_LT(model_->fixed_us(ascending[i]), model_->fixed_us(ascending[i + 1]));
    EXPECT_LT(model_->estimate(arch, ascending[i]).item<double>(),
              model_->estimate(arch, ascending[i + 1]).item<double>());
  }
  EXPECT_TRUE(torch::equal(model_->table_us(), model_->table_us("p50")));
  EXPECT_EQ(model_->fixed_us(), model_->fixed_us("p50"));
  EXPECT_TRUE(torch::equal(model_->estimate(arch), model_->estimate(arch, "p50")));
  EXPECT_TRUE(torch::equal(model_->spread_us(), model_->table_us("p90") - model_->table_us("p10")));
  EXPECT_GT(model_->spread_us().max().item<double>(), 0);
}

TEST_F(LatencyModelTest, UnknownStatisticListsThoseThatExist) {
  const auto expect_error = [](const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "took an unknown statistic";
    } catch (const c10::ValueError& error) {
      EXPECT_STREQ(error.what_without_backtrace(),
                   "a statistic must be p0, p10, p50, p90, p100 or mean, got \"p99\"");
    }
  };
  expect_error([&] { model_->table_us("p99"); });
  expect_error([&] { model_->fixed_us("p99"); });
  expect_error([&] { model_->estimate(torch::zeros({4}, torch::kLong), "p99"); });
}

TEST_F(LatencyModelTest, RefusesAStateWithoutAnEntry) {
  for (const char* key : {"space", "precision", "device"}) {
    auto state = fresh_state();
    ASSERT_EQ(std::get<1>(state).erase(key), 1u);
    expect_state_error(state, std::string("must have an entry \"") + key + "\", got none");
  }
  for (const char* key : {"fixed_us", "table_us", "valid"}) {
    auto state = fresh_state();
    ASSERT_EQ(std::get<2>(state).erase(key), 1u);
    expect_state_error(state, std::string("must have an entry \"") + key + "\", got none");
  }
}

TEST_F(LatencyModelTest, RefusesAStateThatContradictsItself) {
  auto state = fresh_state();
  std::get<2>(state).insert_or_assign("table_us", torch::zeros({4, 4}, torch::kDouble));
  expect_state_error(
      state, "\"table_us\" in the state of a LatencyModel must be Double [6, 4, 4], got Double [4, 4]");

  state = fresh_state();
  std::get<2>(state).insert_or_assign("table_us", torch::zeros({6, 4, 4}));
  expect_state_error(state, "must be Double [6, 4, 4], got Float [6, 4, 4]");

  state = fresh_state();
  std::get<2>(state).insert_or_assign("table_us", torch::full({6, 4, 4}, -1.0, torch::kDouble));
  expect_state_error(state,
                     "\"table_us\" in the state of a LatencyModel must be finite and not negative, got -1");

  state = fresh_state();
  std::get<2>(state).insert_or_assign("fixed_us", torch::full({6}, NAN, torch::kDouble));
  expect_state_error(state,
                     "\"fixed_us\" in the state of a LatencyModel must be finite and not negative, got nan");

  state = fresh_state();
  std::get<2>(state).insert_or_assign("valid", torch::ones({4, 4}, torch::kBool));
  expect_state_error(state, "\"valid\" in the state of a LatencyModel must say what its space offers");

  state = fresh_state();
  std::get<1>(state).insert_or_assign("precision", "int4");
  expect_state_error(state, "precision must be int8 or fp32, got \"int4\"");
}

TEST_F(LatencyModelTest, RefusesDamagedErrors) {
  auto state = fresh_state();
  std::get<2>(state).insert("error_factor_us", torch::zeros({2, 17}, torch::kDouble));
  expect_state_error(state, "must have an entry \"noise\"");
  std::get<2>(state).insert("noise", torch::full({}, -1, torch::kDouble));
  expect_state_error(state,
                     "\"noise\" in the state of a LatencyModel must be finite and not negative, got -1");
  std::get<2>(state).insert_or_assign("noise", torch::full({}, 0.5, torch::kDouble));
  EXPECT_DOUBLE_EQ(LatencyModel(state).noise(), 0.5);
  EXPECT_EQ(LatencyModel(state).covariance_us2().sizes(), at::IntArrayRef({17, 17}));
  std::get<2>(state).insert_or_assign("error_factor_us", torch::full({2, 17}, NAN, torch::kDouble));
  expect_state_error(state, "\"error_factor_us\" in the state of a LatencyModel must be finite");
  for (const at::Tensor& wrong : {torch::zeros({2, 16}, torch::kDouble), torch::zeros({}, torch::kDouble)}) {
    std::get<2>(state).insert_or_assign("error_factor_us", wrong);
    expect_state_error(state, "\"error_factor_us\" in the state of a LatencyModel must be Double");
  }
}

TEST_F(LatencyModelTest, RefusesAStateWhoseSpaceIsNoSpace) {
  auto state = fresh_state();
  std::get<1>(state).insert_or_assign("space", "no space {");
  try {
    LatencyModel model(state);
    FAIL() << "took a text that is no space";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr("saved LatencyModel"));
  }
}

TEST_F(LatencyModelTest, GivesOutCopies) {
  model_->table_us().fill_(-1);
  model_->valid().fill_(false);
  EXPECT_GE(model_->table_us().min().item<double>(), 0);
  EXPECT_TRUE(model_->valid().any().item<bool>());
}

TEST_F(LatencyModelTest, TravelsInsideAModuleToWhereNoFileExists) {
  torch::jit::Module module("Term");
  module.register_attribute("model", c10::getCustomClassType<c10::intrusive_ptr<LatencyModel>>(),
                            torch::IValue(model_));
  module.define(R"(
    def forward(self, probs):
        return (probs * self.model.table_us()).sum() + self.model.fixed_us()
    def slow_us(self, probs):
        return (probs * self.model.table_us("p90")).sum() + self.model.fixed_us(statistic="p90")
  )");
  const auto file = std::filesystem::path(::testing::TempDir()) / "latgrad-term.pt";
  module.save(file.string());
  std::filesystem::remove_all(folder_);

  auto loaded = torch::jit::load(file.string());
  std::filesystem::remove(file);
  const auto probs = torch::rand({4, 4}, torch::kDouble);
  const auto expected = expected_latency(probs, model_->table_us()) + model_->fixed_us();
  EXPECT_TRUE(torch::allclose(loaded.forward({probs}).toTensor(), expected));
  const auto slow = expected_latency(probs, model_->table_us("p90")) + model_->fixed_us("p90");
  EXPECT_TRUE(torch::allclose(loaded.get_method("slow_us")({probs}).toTensor(), slow));
  const auto inside = loaded.attr("model").toCustomClass<LatencyModel>();
  EXPECT_THAT(inside->decode(torch::tensor({1, 1, 0, 2}, torch::kLong)),
              ElementsAre("skip", "k3_e3", "k3k3_e1", "k3_e1"));
}

TEST(TableModelTest, ItsStateGivesTheSameModel) {
  const at::Tensor table_us = torch::tensor({1., 2., 3., 4., 5., 0.}, torch::kDouble).reshape({2, 1, 3});
  const auto model = LatencyModel::from_table(table_us, {{"a", "b", "skip"}},
                                              torch::tensor({10., 20.}, torch::kDouble), {"us", "mJ"});
  EXPECT_EQ(std::get<0>(model->state()), LatencyModel::kTableStateVersion);
  const LatencyModel copy(model->state());
  EXPECT_THAT(copy.devices(), ElementsAre("us", "mJ"));
  EXPECT_THAT(copy.candidates(0), ElementsAre("a", "b", "skip"));
  EXPECT_THAT(copy.layer_names(), ElementsAre("layer1"));
  EXPECT_TRUE(torch::equal(copy.table_us(), table_us));
  const at::Tensor costs = copy.estimate(torch::tensor({1}, torch::kLong));
  EXPECT_TRUE(torch::equal(costs, torch::tensor({12., 25.}, torch::kDouble)));
}

TEST(TableModelTest, AStateWithoutNamesIsAnError) {
  c10::Dict<std::string, std::string> texts;
  c10::Dict<std::string, at::Tensor> tensors;
  const LatencyModel::State state(LatencyModel::kTableStateVersion, texts, tensors);
  try {
    LatencyModel model(state);
    FAIL() << "took a state without an entry";
  } catch (const c10::ValueError& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr("must have an entry \"candidates\", got none"));
  }
}

// tests/plugin/save_module.py has built and saved the module in Python, then deleted its LUT; it wrote down
// what the module returned for the probabilities 0.25.
TEST(SavedModuleTest, ModuleSavedInPythonGivesTheSameHere) {
  const char* file = std::getenv("LATGRAD_SAVED_MODULE");
  if (file == nullptr) GTEST_SKIP() << "LATGRAD_SAVED_MODULE names no module: run by ctest, with Python";
  auto module = torch::jit::load(file);
  const auto probs = torch::full({4, 4}, 0.25, torch::kDouble);
  EXPECT_EQ(module.forward({probs}).toTensor().item<double>(), module.attr("answer_us").toDouble());
  const auto model = module.attr("model").toCustomClass<LatencyModel>();
  EXPECT_EQ(model->layers(), 4);
  EXPECT_THAT(model->candidates(0), ElementsAre("k3_e1", "skip"));
}

}  // namespace
}  // namespace latgrad
