#include "latgrad/search/measurements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "shared_data.h"
#include "temporary_folder.h"

namespace latgrad::search {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

const Space& tiny() {
  static const Space space = Space::load(source_file("data/spaces/tiny.textproto"));
  return space;
}

class MeasurementsTest : public testing::Test {
 protected:
  Measurements read(const std::string& text) {
    folder_.write("t.csv", text);
    return read_measurements(folder_ / "t.csv", tiny());
  }

  TemporaryFolder folder_;
};

TEST_F(MeasurementsTest, UnitsAreThoseOfTheNames) {
  const Measurements measured = read("a_us,arch,b_ms,my_phone_s\n1500,0000,2.5,\n7,1102,,0.25\n");
  EXPECT_THAT(measured.names, ElementsAre("0000", "1102"));
  EXPECT_THAT(measured.architectures[1], ElementsAre(1, 1, 0, 2));
  ASSERT_EQ(measured.columns.size(), 3u);
  EXPECT_EQ(measured.columns[2].name, "my_phone");
  EXPECT_EQ(measured.columns[2].unit, "s");
  EXPECT_THAT(measured.columns[0].times_us, ElementsAre(Optional(1500), Optional(7)));
  EXPECT_THAT(measured.columns[1].times_us, ElementsAre(Optional(2500), std::nullopt));
  EXPECT_THAT(measured.columns[2].times_us, ElementsAre(std::nullopt, Optional(DoubleEq(250000))));
}

TEST_F(MeasurementsTest, BlockNamesStandInQuotes) {
  const LayerInfo& first = tiny().layers()[0];
  std::string names;
  for (const LayerInfo& layer : tiny().layers()) names += (names.empty() ? "" : ",") + layer.candidates[0];
  EXPECT_THAT(read("arch\n\"" + names + "\"\n").architectures[0], ElementsAre(0, 0, 0, 0))
      << first.candidates[0];
}

TEST_F(MeasurementsTest, ErrorsNameTheLine) {
  const auto expect = [&](const std::string& text, const std::string& message) {
    LATGRAD_EXPECT_ERROR(read(text), ParseError, HasSubstr(message));
  };
  expect("", "the file must have a line that names its columns");
  expect("a_ms\n", "the first line must name the columns, one of them arch, got \"a_ms\"");
  expect("arch,pixel\n0000,3\n", "a column of times must end in its unit, _us, _ms or _s, got \"pixel\"");
  expect("arch,p_min\n", "must end in its unit");
  expect("arch,p_ms,p_us\n", "columns must have different names, got \"p\" twice");
  expect("arch,p_ms\n", "the file must have a line for an architecture, got none");
  expect("arch,p_ms\n0000\n", "a line must have 2 values like the first, got 1");
  expect("arch,p_ms\n0000,0\n", "a time of p must be a positive number, got \"0\"");
  expect("arch,p_ms\n0000,1 ms\n", "a time of p must be a positive number, got \"1 ms\"");
  expect("arch,p_ms\n0000,inf\n", "a time of p must be a positive number, got \"inf\"");
  expect("arch,p_ms\n0000,1\n000,1\n", "line 3");
}

}  // namespace
}  // namespace latgrad::search
