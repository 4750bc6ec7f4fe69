// The law that ties the parts together: expected_latency(one_hot(a)) + fixed == estimate(lower(a)), by every
// statistic.
//
// Linking the core beside the plugin, as here, is itself under test: both carry the same protobuf messages.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <random>
#include <tuple>

#include "latgrad/lut/estimate.h"
#include "latgrad/lut/record_json.h"
#include "latgrad/plugin/latency_model.h"
#include "latgrad/plugin/operators.h"
#include "latgrad/search/lowering.h"
#include "plugin/made_up_table.h"
#include "shared_data.h"

namespace latgrad {
namespace {

class LawTest : public ::testing::TestWithParam<std::tuple<search::Precision, lut::Statistic>> {
 protected:
  // Builds both sides from one space and one table.
  void set_up(const std::string& space_file) {
    const auto path = source_file("data/spaces/" + space_file);
    space_ = search::Space::load(path);
    const auto records = testing::made_up_records(*space_, precision_);
    const auto lut = std::filesystem::path(::testing::TempDir()) / "law-op_lut_database.json";
    lut::write_records(records, lut);
    table_ = lut::Table::from_records(records, "made up");
    model_ = c10::make_intrusive<LatencyModel>(path.string(), lut.string(), "",
                                               std::string(search::to_string(precision_)));
    std::filesystem::remove(lut);
  }

  double exact_price_us(const search::Architecture& arch) const {
    const net::Net net = search::lower(*space_, arch, precision_);
    const auto total_us =
        lut::estimate(net, net::infer_shapes(net), *table_, {.statistic = statistic_}).total_us();
    EXPECT_TRUE(total_us.has_value());
    return total_us.value_or(-1);
  }

  void expect_law(const search::Architecture& arch) const {
    const auto indexes = torch::tensor(std::vector<int64_t>(arch.begin(), arch.end()), torch::kLong);
    const std::string statistic(lut::to_string(statistic_));
    const auto table_us = model_->table_us(statistic);
    const auto one_hot = torch::one_hot(indexes, table_us.size(1)).to(torch::kDouble);
    const double exact_us = exact_price_us(arch);
    const double expected_us =
        expected_latency(one_hot, table_us).item<double>() + model_->fixed_us(statistic);
    EXPECT_NEAR(expected_us, exact_us, 1e-6 * exact_us) << space_->format_architecture(arch);
    EXPECT_NEAR(model_->estimate(indexes, statistic).item<double>(), exact_us, 1e-6 * exact_us);
  }

  std::vector<int> offered(size_t layer) const {
    const auto& flags = space_->layers()[layer].offered;
    std::vector<int> result;
    for (size_t i = 0; i < flags.size(); ++i) {
      if (flags[i]) result.push_back(static_cast<int>(i));
    }
    return result;
  }

  const search::Precision precision_ = std::get<0>(GetParam());
  const lut::Statistic statistic_ = std::get<1>(GetParam());
  std::optional<search::Space> space_;
  std::optional<lut::Table> table_;
  c10::intrusive_ptr<LatencyModel> model_;
};

TEST_P(LawTest, HoldsForEveryCornerOfTheTinySpace) {
  set_up("tiny.textproto");
  const size_t layers = space_->layers().size();
  std::vector<search::Architecture> corners = {{}};
  for (size_t layer = 0; layer < layers; ++layer) {
    std::vector<search::Architecture> longer;
    for (const auto& corner : corners) {
      for (const int candidate : offered(layer)) {
        longer.push_back(corner);
        longer.back().push_back(candidate);
      }
    }
    corners = std::move(longer);
  }
  ASSERT_EQ(corners.size(), 18u);  // 2 * 3 * 1 * 3
  for (const auto& corner : corners) expect_law(corner);
}

TEST_P(LawTest, HoldsForAThousandRandomArchitecturesOfFbnet) {
  set_up("fbnet.textproto");
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    search::Architecture arch;
    for (size_t layer = 0; layer < space_->layers().size(); ++layer) {
      const auto choices = offered(layer);
      arch.push_back(choices[random() % choices.size()]);
    }
    expect_law(arch);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(PrecisionsAndStatistics, LawTest,
                         ::testing::Combine(::testing::Values(search::Precision::kInt8,
                                                              search::Precision::kFp32),
                                            ::testing::ValuesIn(lut::kStatistics)),
                         [](const auto& info) {
                           return std::string(search::to_string(std::get<0>(info.param))) + "_" +
                                  std::string(lut::to_string(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace latgrad
