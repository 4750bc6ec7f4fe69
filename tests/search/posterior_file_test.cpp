#include "latgrad/search/posterior_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "temporary_folder.h"

namespace latgrad::search {
namespace {

using ::testing::HasSubstr;

constexpr const char* kRecord =
    R"({"op_type": "Relu", "op_args": [], "input_shapes": [[1, %]], "input_dtypes": [1], "device": "phone", )"
    R"("runtime_us_p0": $, "runtime_us_p10": $, "runtime_us_p50": $, "runtime_us_p90": $, "runtime_us_p100": $}
)";

std::string record(const std::string& dim, const std::string& time) {
  std::string text;
  for (const char* at = kRecord; *at != '\0'; ++at)
    text += *at == '%' ? dim : *at == '$' ? time : std::string(1, *at);
  return text;
}

class PosteriorFileTest : public testing::Test {
 protected:
  void write(const std::string& text) { folder_.write("t.posterior.json", text); }
  std::optional<OperatorPosterior> load() { return load_posterior(folder_ / "t.json", table_); }

  TemporaryFolder folder_;
  const lut::Table table_ = lut::Table::parse(record("1", "3.5") + record("2", "7"), "t.json");
};

TEST_F(PosteriorFileTest, WhatIsWrittenIsRead) {
  EXPECT_FALSE(load());
  const OperatorPosterior posterior({3.5, 7}, {4, -1.5, -1.5, 9}, 0.0125);
  write(posterior_text(posterior));
  const auto loaded = load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->times_us(), posterior.times_us());
  EXPECT_THAT(loaded->covariance_us2(), ::testing::ElementsAre(4, -1.5, -1.5, 9));
  EXPECT_EQ(loaded->noise(), 0.0125);
}

TEST_F(PosteriorFileTest, TheSuffixOfAPackedTableIsDropped) {
  EXPECT_EQ(posterior_path("a/x.json.zip"), "a/x.posterior.json");
  EXPECT_EQ(posterior_path("x.json"), "x.posterior.json");
}

TEST_F(PosteriorFileTest, AnotherTablesIsNoneOfThisOne) {
  write(posterior_text(OperatorPosterior({3.5}, {4}, 0)));
  EXPECT_FALSE(load());
  write(posterior_text(OperatorPosterior({3.5, 8}, {4, 0, 0, 4}, 0)));
  EXPECT_FALSE(load());
}

TEST_F(PosteriorFileTest, WhatIsNoPosteriorIsRefused) {
  const auto expect = [&](const std::string& text, const std::string& message) {
    write(text);
    LATGRAD_EXPECT_ERROR(load(), ParseError, HasSubstr(message));
  };
  expect("{}", "format");
  expect(R"({"format": "other"})", "format must be \"latgrad posterior\"");
  expect(R"({"format": "latgrad posterior", "version": 2})", "version");
  expect(R"({"format": "latgrad posterior", "version": 1, "noise": 0, "times_us": [3.5, 7],
             "covariance_us2": [[1], [1]]})",
         "must have 2 figures");
}

TEST(OperatorPosteriorTest, ThePriceOfANetworkKnowsTheCovariance) {
  // Two operators that no measured network tells apart: their sum is known.
  const OperatorPosterior posterior({3, 5}, {4, -4, -4, 4}, 0);
  const uint32_t both[] = {0, 1};
  const uint32_t twice[] = {0, 0};
  EXPECT_DOUBLE_EQ(posterior.error_us(both), 0);
  EXPECT_DOUBLE_EQ(posterior.error_us(twice), 4);
  EXPECT_DOUBLE_EQ(posterior.price(both).mean_us, 8);
  EXPECT_DOUBLE_EQ(posterior.price(both).low_us, 8);
  EXPECT_NEAR(posterior.price({both, 1}).high_us, 3 + 1.6448536 * 2, 1e-6);
  EXPECT_EQ(posterior.price({both, 1}).low_us, 0);  // a time is never negative
}

TEST(OperatorPosteriorTest, AMeasurementAddsItsOwnError) {
  const OperatorPosterior posterior({100}, {0}, 0.01);
  const uint32_t one[] = {0};
  EXPECT_NEAR(posterior.price(one).high_us, 100 + 2.3533634, 1e-6);  // Student's t, three degrees of freedom
  EXPECT_NEAR(measurement_width(posterior), 0.023533634, 1e-9);
}

TEST(OperatorPosteriorTest, FiguresThatContradictThemselvesAreRefused) {
  LATGRAD_EXPECT_ERROR(OperatorPosterior({1, 2}, {1}, 0), ValueError,
                       HasSubstr("the covariance of 2 operators must have 4 figures, got 1"));
  LATGRAD_EXPECT_ERROR(OperatorPosterior({-1}, {1}, 0), ValueError, HasSubstr("must not be negative"));
  LATGRAD_EXPECT_ERROR(OperatorPosterior({1}, {1}, -1), ValueError, HasSubstr("must not be negative"));
  LATGRAD_EXPECT_ERROR(OperatorPosterior({1}, {std::nan("")}, 0), ValueError, HasSubstr("must be finite"));
  const uint32_t two[] = {2};
  LATGRAD_EXPECT_ERROR(OperatorPosterior({1}, {1}, 0).price(two), ValueError,
                       HasSubstr("an operator must be below 1, got 2"));
}

}  // namespace
}  // namespace latgrad::search
