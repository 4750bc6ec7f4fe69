#include "learning_curve_svg.h"

#include <algorithm>
#include <cmath>

#include "latgrad/base/error.h"
#include "latgrad/base/text_builder.h"
#include "latgrad/base/xml_text.h"

namespace latgrad::cli {

namespace {

// Pixels.
constexpr double kWidth = 640;
constexpr double kHeight = 420;
constexpr double kLeft = 80;
constexpr double kRight = kWidth - 30;
constexpr double kTop = 60;
constexpr double kBottom = kHeight - 60;

// 1, 2 and 5 times the powers of ten around a range.
std::vector<double> ticks(double low, double high) {
  std::vector<double> all;
  double power = std::pow(10, std::floor(std::log10(low)));
  for (; power <= high * 10; power *= 10) {
    for (const double digit : {1, 2, 5}) all.push_back(digit * power);
  }
  const auto first = std::ranges::upper_bound(all, low * (1 + 1e-9)) - 1;
  const auto last = std::ranges::lower_bound(all, high * (1 - 1e-9));
  return {first, last + 1};
}

class Drawing : private base::TextBuilder {
 public:
  explicit Drawing(const LearningCurvePlot& plot) : plot_(plot) {
    double least = 100, most = 0.01;
    for (const search::LearningPoint& point : plot.points) {
      least = std::min(least, percent(point));
      most = std::max(most, percent(point));
    }
    errors_ = ticks(least, most);
    if (errors_.size() < 2) errors_.push_back(2 * errors_.front());
    numbers_ = ticks(static_cast<double>(plot.points.front().networks),
                     static_cast<double>(plot.points.back().networks));
    if (numbers_.size() < 2) numbers_.push_back(2 * numbers_.front());
  }

  std::string svg() {
    add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"14\" fill=\"#222\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        "<text x=\"{2}\" y=\"34\" font-size=\"18\" font-weight=\"bold\">{3}</text>\n",
        kWidth, kHeight, kLeft, base::xml_text(plot_.title));
    for (const double tick : numbers_) {
      add("<path d=\"M{0:.1f} {1}V{2}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" y=\"{3}\" "
          "text-anchor=\"middle\">{4:.6g}</text>\n",
          x(tick), kTop, kBottom, kBottom + 20, tick);
    }
    for (const double tick : errors_) {
      add("<path d=\"M{1} {0:.1f}H{2}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{4:.1f}\" "
          "text-anchor=\"end\">{5:.6g}%</text>\n",
          y(tick), kLeft, kRight, kLeft - 8, y(tick) + 5, tick);
    }
    add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">measured networks</text>\n", (kLeft + kRight) / 2,
        kHeight - 16);
    add("<text transform=\"translate(22 {}) rotate(-90)\" text-anchor=\"middle\">MAPE of others</text>\n",
        (kTop + kBottom) / 2);
    add("<path fill=\"none\" stroke=\"#0072b2\" stroke-width=\"2\" d=\"");
    for (size_t i = 0; i < plot_.points.size(); ++i) {
      add("{}{:.2f} {:.2f}", i == 0 ? 'M' : 'L', x_of(plot_.points[i]), y(percent(plot_.points[i])));
    }
    add("\"/>\n<g fill=\"#0072b2\">\n");
    for (const search::LearningPoint& point : plot_.points) {
      add("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"4\"><title>{} networks: {:.2f}%</title></circle>\n",
          x_of(point), y(percent(point)), point.networks, percent(point));
    }
    add("</g>\n</svg>\n");
    return take();
  }

 private:
  static double percent(const search::LearningPoint& point) { return std::max(0.01, 100 * point.mape); }

  static double position(double value, const std::vector<double>& axis) {
    return std::log(value / axis.front()) / std::log(axis.back() / axis.front());
  }
  double x(double number) const { return std::lerp(kLeft, kRight, position(number, numbers_)); }
  double x_of(const search::LearningPoint& point) const { return x(static_cast<double>(point.networks)); }
  double y(double percent) const { return std::lerp(kBottom, kTop, position(percent, errors_)); }

  const LearningCurvePlot& plot_;
  std::vector<double> errors_;
  std::vector<double> numbers_;
};

}  // namespace

std::string learning_curve_svg(const LearningCurvePlot& plot) {
  if (plot.points.empty()) throw ValueError("a learning curve needs at least ten measured networks");
  return Drawing(plot).svg();
}

}  // namespace latgrad::cli
