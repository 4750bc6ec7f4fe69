#include "latgrad/profile/scatter_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "latgrad/base/error.h"

namespace latgrad::profile {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Scatter scatter_of(std::vector<ScatterPoint> points, std::string title = "Title") {
  std::vector<TimePair> pairs;
  for (const ScatterPoint& point : points) pairs.push_back({point.measured_us, point.predicted_us});
  return {std::move(title), "made-up", std::move(points), agreement(pairs)};
}

Scatter two_points() {
  return scatter_of(
      {{"FBNet-A", 20000, 19600, PointGroup::kNetwork}, {"7818", 30000, 30600, PointGroup::kArchitecture}});
}

size_t count(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

// Enough of XML for what this writes: tags nest, texts hold no bare markup.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size();) {
    if (xml[at] != '<') {
      ASSERT_NE(xml[at], '>') << at;
      if (xml[at] == '&') {
        ASSERT_LT(xml.find(';', at), at + 6);
      }
      ++at;
      continue;
    }
    const size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    ASSERT_EQ(count(tag, "\"") % 2, 0u) << tag;
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" /", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(tag.substr(1), open.back());
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end + 1;
  }
  EXPECT_TRUE(open.empty());
}

TEST(ScatterSvgTest, ShowsEveryPointWithItsTimes) {
  const std::string svg = scatter_svg(two_points());
  expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("viewBox=\"0 0 "));
  EXPECT_THAT(svg, HasSubstr("<title>FBNet-A\nmeasured 20.00 ms\npredicted 19.60 ms\nerror -2.0 %</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>7818\nmeasured 30.00 ms\npredicted 30.60 ms\nerror +2.0 %</title>"));
  EXPECT_THAT(svg, HasSubstr("MAPE 2.00 %"));
  EXPECT_THAT(svg, HasSubstr("n = 2"));
  EXPECT_THAT(svg, HasSubstr("measured (ms)"));
}

TEST(ScatterSvgTest, NamesInItsLegendOnlyWhatItShows) {
  EXPECT_THAT(scatter_svg(two_points()), HasSubstr("1 architecture of the space<"));
  const std::string svg = scatter_svg(scatter_of({{"A", 10, 10}, {"B", 20, 20}}));
  EXPECT_THAT(svg, HasSubstr("2 networks<"));
  EXPECT_THAT(svg, Not(HasSubstr("of the space")));
}

TEST(ScatterSvgTest, MovesItsLegendAwayFromPoints) {
  const std::string svg = scatter_svg(scatter_of({{"A", 10000, 19000}, {"B", 20000, 20000}}));
  EXPECT_THAT(scatter_svg(two_points()), HasSubstr("<text x=\"136\""));
  EXPECT_THAT(svg, Not(HasSubstr("<text x=\"136\"")));
  EXPECT_THAT(svg, HasSubstr("<text x=\"416\""));
}

TEST(ScatterSvgTest, IsLogarithmicForAWideRange) {
  EXPECT_THAT(scatter_svg(scatter_of({{"A", 3000, 3000}, {"B", 300000, 300000}})),
              HasSubstr("measured (ms, logarithmic)"));
}

TEST(ScatterSvgTest, EscapesWhatXmlDoesNotAllow) {
  const std::string svg = scatter_svg(
      scatter_of({{"<b>&\"\x01\xEF\xBF\xBF\x80", 10, 10}, {"\xC3\xA9\xEF\xBF\xBF", 20, 20}}, "a < b\xFF"));
  expect_well_formed(svg);
  // A text with bytes that are not UTF-8 loses all that is not ASCII.
  EXPECT_THAT(svg, HasSubstr("<title>&lt;b&gt;&amp;&quot;\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\n"));
  EXPECT_THAT(svg, HasSubstr("<title>\u00e9\uFFFD\n"));
  EXPECT_THAT(svg, HasSubstr("a &lt; b\uFFFD</text>"));
}

TEST(ScatterSvgTest, DrawsWhatLiesFarOffOrNowhere) {
  std::mt19937_64 random(1);
  for (double scale : {1e-3, 1.0, 1e3, 1e9}) {
    for (double spread : {0.0, 0.001, 1.0, 3.0, 12.0}) {
      std::vector<ScatterPoint> points;
      for (int i = 0; i < 30; ++i) {
        const double measured = scale * std::exp(spread * static_cast<double>(random() % 1000) / 1000);
        points.push_back({"net", measured, i == 0 && scale == 1 ? 0 : measured * 1.2});
      }
      if (spread == 0) points.resize(1);
      const std::string svg = scatter_svg(scatter_of(points));
      expect_well_formed(svg);
      EXPECT_THAT(svg, Not(HasSubstr("nan")));
      EXPECT_THAT(svg, Not(HasSubstr("inf")));
      const size_t ticks = count(svg, "V650M");
      EXPECT_GE(ticks, 2u) << scale << ' ' << spread;
      EXPECT_LE(ticks, 25u) << scale << ' ' << spread;
    }
  }
}

TEST(ScatterSvgTest, RefusesWhatItCannotDraw) {
  EXPECT_THROW(scatter_svg({.title = "", .subtitle = "", .points = {}, .agreement = {}}), ValueError);
  EXPECT_THROW(scatter_svg({.title = "", .subtitle = "", .points = {{"A", 0, 1}}, .agreement = {}}),
               ValueError);
  EXPECT_THROW(scatter_svg({.title = "", .subtitle = "", .points = {{"A", 1, -1}}, .agreement = {}}),
               ValueError);
  EXPECT_THROW(scatter_svg({.title = "", .subtitle = "", .points = {{"A", 1, NAN}}, .agreement = {}}),
               ValueError);
}

}  // namespace
}  // namespace latgrad::profile
