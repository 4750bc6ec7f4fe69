#include "latgrad/plugin/latency_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "latgrad/lut/record_json.h"
#include "latgrad/lut/table.h"

namespace latgrad {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LatencyTableTest : public testing::Test {
 protected:
  LatencyTableTest() {
    std::string folder = (std::filesystem::path(testing::TempDir()) / "latgrad.XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("cannot create " + folder);
    folder_ = folder;
    lut::Record relu{.op_type = "Relu",
                     .op_args = {},
                     .input_shapes = {{1, 8}},
                     .input_dtypes = {net::DataType::kFloat},
                     .p50_us = 2.5,
                     .device = "phone"};
    lut::Record other = relu;
    other.device = "tablet";
    const auto path = folder_ / "phone-op_lut_database.json";
    lut::write_records({relu, other}, path);
    table_ = std::make_unique<LatencyTable>(path.string());
  }
  ~LatencyTableTest() override { std::filesystem::remove_all(folder_); }

  void expect_state_error(const LatencyTable::State& state, const std::string& message) {
    try {
      LatencyTable table(state);
      FAIL() << "took a state that should fail with: " << message;
    } catch (const c10::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }

  std::filesystem::path folder_;
  std::unique_ptr<LatencyTable> table_;
};

TEST_F(LatencyTableTest, StateGivesTheSameTableWithoutAFile) {
  const auto state = table_->state();
  std::filesystem::remove_all(folder_);
  const LatencyTable copy(state);
  EXPECT_THAT(copy.devices(), ElementsAre("phone", "tablet"));
  EXPECT_THAT(copy.find("Relu", {}, {{1, 8}}, {1}), ElementsAre(2.5));  // the device of the file name
}

TEST_F(LatencyTableTest, RefusesAStateOfAnotherVersion) {
  auto state = table_->state();
  std::get<0>(state) = 2;
  expect_state_error(state, "must have version 1, got 2: it was saved by another version of latgrad");
}

TEST_F(LatencyTableTest, RefusesAStateWithoutAnEntry) {
  for (const char* key : {"records", "default_device"}) {
    auto state = table_->state();
    ASSERT_EQ(std::get<1>(state).erase(key), 1u);
    expect_state_error(state, std::string("must have an entry \"") + key + "\", got none");
  }
}

TEST_F(LatencyTableTest, RefusesAStateThatContradictsItself) {
  auto state = table_->state();
  std::get<1>(state).insert_or_assign("default_device", "watch");
  expect_state_error(state, "must be a device of its records, got \"watch\"");
  state = table_->state();
  std::get<1>(state).insert_or_assign("records", "{]");
  expect_state_error(state, "saved LatencyTable, line 1");
}

}  // namespace
}  // namespace latgrad
