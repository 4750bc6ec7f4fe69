#include "report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "latgrad/base/text_builder.h"
#include "latgrad/base/xml_text.h"
#include "latgrad/profile/axis_ticks.h"
#include "report/spread.h"

namespace latgrad::cli::report {

using base::xml_text;

namespace {

// Of the picture's own units, which are about a pixel.
constexpr double kWidth = 360;
constexpr double kHeight = 220;
constexpr double kLeft = 46;
constexpr double kRight = kWidth - 10;
constexpr double kTop = 20;
constexpr double kBottom = kHeight - 36;

constexpr size_t kMostPoints = 400;
constexpr size_t kMostTitles = 100;

struct Range {
  double low, high;

  double fraction(double value) const { return (value - low) / (high - low); }
};

// With zero where that costs less than half of the height, and never of no extent.
Range range_of(const LineChart& chart) {
  std::vector<double> known;
  for (const Series& series : chart.series) {
    for (const auto& value : series.values) {
      if (value) known.push_back(*value);
    }
  }
  if (chart.level) known.push_back(chart.level->value);
  const auto [low, high] = std::ranges::minmax(known);
  const double extent = std::max({high - low, 0.02 * std::abs(high), 1e-6});
  const double margin = 0.06 * extent;
  const bool from_zero = low >= 0 && low <= extent;
  return {from_zero ? 0 : low - margin, low + extent + margin};
}

bool has_number(const Series& series) {
  return std::ranges::any_of(series.values, [](const auto& value) { return value.has_value(); });
}

class Drawing : private base::TextBuilder {
 public:
  explicit Drawing(const LineChart& chart) : chart_(chart), range_(range_of(chart)) {
    for (const Series& series : chart.series) steps_ = std::max(steps_, series.values.size());
  }

  std::string figure() {
    add("<figure class=\"chart\"><figcaption><b>{}</b>", xml_text(title()));
    add_legend();
    add("</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight,
        xml_text(summary()));
    add_axes();
    add_level();
    for (size_t i = 0; i < chart_.series.size(); ++i) add_line(i);
    add_titles();
    add("</svg></figure>\n");
    return take();
  }

 private:
  double x(double step) const {
    if (steps_ == 1) return (kLeft + kRight) / 2;
    return std::lerp(kLeft, kRight, step / static_cast<double>(steps_ - 1));
  }
  double y(double value) const { return std::lerp(kBottom, kTop, range_.fraction(value)); }

  std::string title() const {
    return chart_.unit.empty() ? chart_.title : fmt::format("{}, {}", chart_.title, chart_.unit);
  }

  std::string quantity(double value) const {
    return chart_.unit.empty() ? fmt::format("{:.4g}", value) : fmt::format("{:.4g} {}", value, chart_.unit);
  }

  std::string summary() const {
    std::string text = fmt::format("{} over {}s 0 to {}", chart_.title, chart_.step, steps_ - 1);
    for (const Series& series : chart_.series) {
      const auto known = [](const auto& value) { return value.has_value(); };
      const auto first = std::ranges::find_if(series.values, known);
      const auto last = std::find_if(series.values.rbegin(), series.values.rend(), known);
      text += fmt::format("; {} from {} to {}", series.name, quantity(**first), quantity(**last));
    }
    if (chart_.level) text += fmt::format("; {} {}", chart_.level->name, quantity(chart_.level->value));
    return text;
  }

  void add_legend() {
    if (chart_.series.size() < 2 && !chart_.level) return;
    add("<span class=\"legend\">");
    const auto entry = [this](const std::string& style, const std::string& name) {
      add("<span><svg viewBox=\"0 0 20 8\" width=\"20\" height=\"8\" aria-hidden=\"true\">"
          "<path class=\"{}\" d=\"M1 4h18\"/></svg> {}</span> ",
          style, xml_text(name));
    };
    for (size_t i = 0; i < chart_.series.size(); ++i) entry(fmt::format("s{}", i), chart_.series[i].name);
    if (chart_.level) entry("level", fmt::format("{} {}", chart_.level->name, quantity(chart_.level->value)));
    add("</span>");
  }

  void add_axes() {
    add("<g class=\"grid\">");
    const std::vector<double> values = profile::linear_ticks(range_.low, range_.high, 2.5);
    for (double tick : values) add("<path d=\"M{} {:.1f}H{}\"/>", kLeft, y(tick), kRight);
    add("</g>\n<g text-anchor=\"end\">");
    for (double tick : values) {
      add("<text x=\"{}\" y=\"{:.1f}\">{:.6g}</text>", kLeft - 6, y(tick) + 4.5, tick);
    }
    add("</g>\n<path class=\"axis\" d=\"M{} {}H{}\"/>\n<g text-anchor=\"middle\">", kLeft, kBottom, kRight);
    for (double tick : step_ticks()) {
      add("<text x=\"{:.1f}\" y=\"{}\">{:.0f}</text>", x(tick), kBottom + 16, tick);
    }
    add("<text x=\"{}\" y=\"{}\">{}</text></g>\n", (kLeft + kRight) / 2, kHeight - 4, chart_.step);
  }

  std::vector<double> step_ticks() const {
    if (steps_ == 1) return {0};
    std::vector<double> ticks = profile::linear_ticks(0, static_cast<double>(steps_ - 1), 2.5);
    std::erase_if(ticks, [](double tick) { return tick != std::round(tick); });
    return ticks;
  }

  void add_level() {
    if (chart_.level)
      add("<path class=\"level\" d=\"M{} {:.1f}H{}\"/>\n", kLeft, y(chart_.level->value), kRight);
  }

  // A number between two gaps is a dot: the page gives lines round ends.
  void add_line(size_t index) {
    const Numbers& values = chart_.series[index].values;
    add("<path class=\"s{}\" d=\"", index);
    bool pen_is_down = false;
    for (size_t step : evenly_spread(values.size(), kMostPoints)) {
      if (values[step]) {
        const double at_x = x(static_cast<double>(step)), at_y = y(*values[step]);
        if (pen_is_down) {
          add("L{:.1f} {:.1f}", at_x, at_y);
        } else {
          add("M{:.1f} {:.1f}h0", at_x, at_y);
        }
      }
      pen_is_down = values[step].has_value();
    }
    add("\"/>\n");
  }

  // Over each step, a strip that nobody sees and that tells all its numbers.
  void add_titles() {
    const std::vector<size_t> steps = evenly_spread(steps_, kMostTitles);
    const double width = (kRight - kLeft) / static_cast<double>(steps.size());
    add("<g class=\"hit\">\n");
    for (size_t step : steps) {
      const double left = std::clamp(x(static_cast<double>(step)) - width / 2, kLeft, kRight - width);
      add("<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\"><title>{} {}", left, kTop, width,
          kBottom - kTop, chart_.step, step);
      for (const Series& series : chart_.series) {
        if (step < series.values.size() && series.values[step]) {
          add("\n{} {}", xml_text(series.name), xml_text(quantity(*series.values[step])));
        }
      }
      add("</title></rect>\n");
    }
    add("</g>\n");
  }

  const LineChart& chart_;
  Range range_;
  size_t steps_ = 0;
};

}  // namespace

std::string line_chart(LineChart chart) {
  std::erase_if(chart.series, [](const Series& series) { return !has_number(series); });
  if (chart.series.empty()) return "";
  return Drawing(chart).figure();
}

}  // namespace latgrad::cli::report
