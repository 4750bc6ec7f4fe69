#include "latgrad/profile/scatter_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "latgrad/base/error.h"
#include "latgrad/base/text_builder.h"
#include "latgrad/base/xml_text.h"
#include "latgrad/profile/axis_ticks.h"

namespace latgrad::profile {
namespace {

// Pixels.
constexpr double kWidth = 700;
constexpr double kHeight = 930;
constexpr double kSide = 570;  // of the square of predicted against measured times
constexpr double kLeft = 90;
constexpr double kTop = 80;
constexpr double kRight = kLeft + kSide;
constexpr double kBottom = kTop + kSide;
constexpr double kErrorTop = kBottom + 18;  // the strip of errors below the square, with the same times
constexpr double kErrorHeight = 140;
constexpr double kErrorBottom = kErrorTop + kErrorHeight;

constexpr double kLegendWidth = 290;
constexpr double kLegendHeight = 104;

constexpr double kTitleSize = 20;
constexpr double kSubtitleSize = 14;
constexpr double kGlyphWidth = 0.58;  // of an average letter of the bold font, by its size

constexpr double kBand = 0.03;
constexpr double kLeastErrorLimit = 0.05;
constexpr double kLogarithmicFrom = 8;  // largest time over smallest

struct Style {
  PointGroup group;
  const char* label;
  const char* plural;
  const char* color;  // these two can be told apart by every eye; the shapes also without colour
};
// In drawing order: the networks, which are few, are on top.
constexpr Style kStyles[] = {
    {PointGroup::kArchitecture, "architecture of the space", "architectures of the space", "#0072b2"},
    {PointGroup::kNetwork, "network", "networks", "#d55e00"},
};

// ---- text ----

std::string ms_text(double us) { return fmt::format("{:.{}f} ms", us / 1e3, us < 1e4 ? 3 : 2); }

std::string percent_text(double fraction) { return fmt::format("{:+.1f} %", 100 * fraction); }

double error_of(const ScatterPoint& point) { return TimePair{point.measured_us, point.predicted_us}.error(); }

// ---- axes ----

// One of the two axes, which are the same: times in ms to pixels from its beginning.
class Axis {
 public:
  explicit Axis(const std::vector<ScatterPoint>& points) {
    double low = points.front().measured_us, high = low;
    for (const ScatterPoint& point : points) {
      low = std::min({low, point.measured_us, point.predicted_us});
      high = std::max({high, point.measured_us, point.predicted_us});
    }
    low /= 1e3;
    high /= 1e3;
    logarithmic_ = low > 0 && high > kLogarithmicFrom * low;
    if (logarithmic_) {
      const double margin = std::pow(high / low, 0.05);
      low_ = low / margin;
      high_ = high * margin;
    } else {
      // At least a few bands wide, because points that agree would otherwise look as if they did not.
      const double middle = (low + high) / 2;
      const double half = std::max(0.55 * (high - low), 2.5 * kBand * middle);
      low_ = std::max(0.0, middle - half);
      high_ = middle + half;
    }
  }

  double low() const { return low_; }
  double high() const { return high_; }
  bool is_logarithmic() const { return logarithmic_; }

  double pixels(double ms) const {
    const double fraction =
        logarithmic_ ? std::log(ms / low_) / std::log(high_ / low_) : (ms - low_) / (high_ - low_);
    return kSide * fraction;
  }
  double x(double ms) const { return kLeft + pixels(ms); }
  double y(double ms) const { return kBottom - pixels(ms); }

  // In ms, ascending, at round values.
  std::vector<double> ticks() const { return logarithmic_ ? logarithmic_ticks() : linear_ticks(low_, high_); }

 private:
  // 1, 2, 5 of each decade, or only the 1 of each where there are many decades.
  std::vector<double> logarithmic_ticks() const {
    std::vector<double> ticks;
    const bool dense = high_ / low_ < 1e4;
    for (double exponent = std::floor(std::log10(low_)); exponent <= std::log10(high_); ++exponent) {
      for (double factor : {1.0, 2.0, 5.0}) {
        const double tick = factor * std::pow(10, exponent);
        if (tick >= low_ && tick <= high_ && (dense || factor == 1)) ticks.push_back(tick);
      }
    }
    return ticks;
  }

  double low_ = 0;
  double high_ = 0;
  bool logarithmic_ = false;
};

// The range of the strip: up to the largest error, in both directions.
class ErrorAxis {
 public:
  explicit ErrorAxis(const std::vector<ScatterPoint>& points) {
    for (const ScatterPoint& point : points) limit_ = std::max(limit_, 1.15 * std::abs(error_of(point)));
  }

  double y(double error) const { return kErrorTop + kErrorHeight / 2 * (1 - error / limit_); }

  std::vector<double> ticks() const {
    const double step = nice_below(limit_ / 1.5);
    std::vector<double> ticks;
    for (double i = -std::floor(limit_ / step); i * step <= limit_; ++i) ticks.push_back(i * step);
    return ticks;
  }

 private:
  double limit_ = kLeastErrorLimit;
};

// ---- parts of the picture ----

class Drawing : private base::TextBuilder {
 public:
  explicit Drawing(const Scatter& scatter)
      : scatter_(scatter), axis_(scatter.points), errors_(scatter.points) {}

  std::string svg() {
    add("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\" font-size=\"14\" "
        "fill=\"#222\">\n",
        kWidth, kHeight);
    // A viewer shows the title in its title bar, and a screen reader reads it.
    add("<title>{}</title>\n", base::xml_text(scatter_.title));
    add("<rect width=\"{}\" height=\"{}\" fill=\"#fff\"/>\n", kWidth, kHeight);
    add_title();
    add_axes();
    add_error_axis();
    add_diagonal();
    add_points();
    add_legend();
    add_caption();
    add("</svg>\n");
    return take();
  }

 private:
  void add_title() {
    add_centred(scatter_.title, 36, kTitleSize, "font-weight=\"bold\"");
    if (!scatter_.subtitle.empty()) add_centred(scatter_.subtitle, 61, kSubtitleSize, "fill=\"#666\"");
  }

  // A long text gets a smaller font instead of running out of the picture.
  void add_centred(const std::string& text, double y, double size, const char* attributes) {
    const double letters = static_cast<double>(std::max<size_t>(1, text.size()));
    add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"{:.1f}\" {}>{}</text>\n", kWidth / 2, y,
        std::clamp((kWidth - 40) / (kGlyphWidth * letters), 8.0, size), attributes, base::xml_text(text));
  }

  void add_frame(double top, double height) {
    add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/>\n", kLeft, top,
        kSide, height);
  }

  // The times: of the square's height, and of the width of both.
  void add_axes() {
    add("<g stroke=\"#e4e4e4\">\n");
    const std::vector<double> ticks = axis_.ticks();
    for (double tick : ticks) {
      add("<path d=\"M{0:.1f} {1}V{2}M{0:.1f} {3}V{4}M{5} {6:.1f}H{7}\"/>\n", axis_.x(tick), kTop, kBottom,
          kErrorTop, kErrorBottom, kLeft, axis_.y(tick), kRight);
    }
    add("</g>\n<g text-anchor=\"middle\">\n");
    for (double tick : ticks) {
      add("<text x=\"{:.1f}\" y=\"{}\">{:.6g}</text>\n", axis_.x(tick), kErrorBottom + 21, tick);
    }
    add("</g>\n<g text-anchor=\"end\">\n");
    for (double tick : ticks) {
      add("<text x=\"{}\" y=\"{:.1f}\">{:.6g}</text>\n", kLeft - 9, axis_.y(tick) + 5, tick);
    }
    const char* scale = axis_.is_logarithmic() ? ", logarithmic" : "";
    add("</g>\n<g text-anchor=\"middle\" font-size=\"15\">\n"
        "<text x=\"{0}\" y=\"{1}\">measured (ms{4})</text>\n"
        "<text transform=\"translate({2} {3}) rotate(-90)\">predicted (ms{4})</text>\n</g>\n",
        kLeft + kSide / 2, kErrorBottom + 47, kLeft - 62, kTop + kSide / 2, scale);
  }

  // The band and the line of the square, drawn flat.
  void add_error_axis() {
    for (double tick : errors_.ticks()) {
      const double y = errors_.y(tick);
      add("<path d=\"M{} {:.1f}H{}\" stroke=\"#e4e4e4\"/>\n<text x=\"{}\" y=\"{:.1f}\" "
          "text-anchor=\"end\">{}</text>\n",
          kLeft, y, kRight, kLeft - 9, y + 5,
          std::abs(tick) < 1e-9 ? "0" : fmt::format("{:+.4g}", 100 * tick));
    }
    add("<text transform=\"translate({} {}) rotate(-90)\" text-anchor=\"middle\" font-size=\"15\">error "
        "(%)</text>\n",
        kLeft - 62, kErrorTop + kErrorHeight / 2);
    add("<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\" fill=\"#000\" fill-opacity=\"0.09\"/>\n",
        kLeft, errors_.y(kBand), kSide, errors_.y(-kBand) - errors_.y(kBand));
    add("<path d=\"M{} {:.1f}H{}\" stroke=\"#666\" stroke-dasharray=\"6 4\"/>\n", kLeft, errors_.y(0),
        kRight);
    add_frame(kErrorTop, kErrorHeight);
  }

  // The band reaches over the edges of the square, which cut it off.
  void add_diagonal() {
    add("<clipPath id=\"square\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n", kLeft,
        kTop, kSide, kSide);
    add("<g clip-path=\"url(#square)\">\n");
    const double low = axis_.is_logarithmic() ? axis_.low() / (1 + kBand) : 0;
    const double high = axis_.high();
    const double up = 1 + kBand, down = 1 - kBand;
    add("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z\" fill=\"#000\" "
        "fill-opacity=\"0.09\"/>\n",
        axis_.x(low), axis_.y(low * up), axis_.x(high), axis_.y(high * up), axis_.x(high),
        axis_.y(high * down), axis_.x(low), axis_.y(low * down));
    add("<path d=\"M{} {}L{} {}\" stroke=\"#666\" stroke-dasharray=\"6 4\"/>\n</g>\n", kLeft, kBottom, kRight,
        kTop);
    add_frame(kTop, kSide);
  }

  // Smaller where there are many.
  double radius() const { return scatter_.points.size() <= 60 ? 6 : scatter_.points.size() <= 200 ? 5 : 4; }

  std::string marker(PointGroup group, double x, double y, double radius) const {
    if (group == PointGroup::kArchitecture) {
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"", x, y, radius);
    }
    const double reach = 1.35 * radius;  // of a diamond that covers as much as the circle
    return fmt::format("<path d=\"M{0:.1f} {1:.1f}l{2:.2f} {2:.2f}l-{2:.2f} {2:.2f}l-{2:.2f} -{2:.2f}Z\"", x,
                       y - reach, reach);
  }

  void add_points() {
    for (const Style& style : kStyles) {
      add("<g fill=\"{}\" fill-opacity=\"{}\" stroke=\"#fff\" stroke-width=\"0.8\">\n", style.color,
          scatter_.points.size() <= 60 ? 0.85 : 0.65);
      for (const ScatterPoint& point : scatter_.points) {
        if (point.group != style.group) continue;
        const double x = axis_.x(point.measured_us / 1e3);
        const std::string title = fmt::format("<title>{}\nmeasured {}\npredicted {}\nerror {}</title>",
                                              base::xml_text(point.name), ms_text(point.measured_us),
                                              ms_text(point.predicted_us), percent_text(error_of(point)));
        // One element for both places, so that the title occurs once.
        add("<g>{}{}/>{}/></g>\n", title, marker(point.group, x, axis_.y(point.predicted_us / 1e3), radius()),
            marker(point.group, x, errors_.y(error_of(point)), 0.75 * radius()));
      }
      add("</g>\n");
    }
  }

  // Whether a point is in the upper left corner, the place of the legend: a prediction that is far too high.
  bool is_upper_left_taken() const {
    return std::ranges::any_of(scatter_.points, [this](const ScatterPoint& point) {
      return axis_.x(point.measured_us / 1e3) < kLeft + kLegendWidth + 2 * radius() &&
             axis_.y(point.predicted_us / 1e3) < kTop + kLegendHeight + 2 * radius();
    });
  }

  // In one of the two corners off the diagonal.
  void add_legend() {
    const bool lower_right = is_upper_left_taken();
    const double x = (lower_right ? kRight - kLegendWidth : kLeft) + 26;
    double y = (lower_right ? kBottom - kLegendHeight : kTop) + 28;
    for (const Style& style : kStyles) {
      const auto count = std::ranges::count(scatter_.points, style.group, &ScatterPoint::group);
      if (count == 0) continue;
      add("{} fill=\"{}\"/>\n<text x=\"{}\" y=\"{}\">{} {}</text>\n", marker(style.group, x, y, 6),
          style.color, x + 20, y + 5, count, count == 1 ? style.label : style.plural);
      y += 25;
    }
    add("<path d=\"M{} {}h24\" stroke=\"#000\" stroke-opacity=\"0.09\" stroke-width=\"12\"/>\n"
        "<path d=\"M{} {}h24\" stroke=\"#666\" stroke-dasharray=\"6 4\"/>\n"
        "<text x=\"{}\" y=\"{}\">equal, and {:.0f} % around it</text>\n",
        x - 12, y, x - 12, y, x + 20, y + 5, 100 * kBand);
  }

  void add_caption() {
    const Agreement& agreement = scatter_.agreement;
    std::string text =
        fmt::format("MAPE {:.2f} %   \u00b7   bias {:+.2f} %", 100 * agreement.mape, 100 * agreement.bias);
    if (agreement.tau) text += fmt::format("   \u00b7   Kendall \u03c4 {:.3f}", *agreement.tau);
    text += fmt::format("   \u00b7   n = {}", agreement.pairs);
    add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"16\" font-weight=\"bold\" "
        "xml:space=\"preserve\">{}</text>\n",
        kWidth / 2, kErrorBottom + 83, text);
    if (!agreement.mape_interval) return;
    std::string intervals =
        fmt::format("95 % over networks: MAPE {:.2f} to {:.2f} %", 100 * agreement.mape_interval->low,
                    100 * agreement.mape_interval->high);
    if (agreement.tau_interval) {
      intervals +=
          fmt::format(", \u03c4 {:.3f} to {:.3f}", agreement.tau_interval->low, agreement.tau_interval->high);
    }
    add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"13\" fill=\"#666\">{}</text>\n",
        kWidth / 2, kErrorBottom + 106, intervals);
  }

  const Scatter& scatter_;
  Axis axis_;
  ErrorAxis errors_;
};

}  // namespace

std::string scatter_svg(const Scatter& scatter) {
  if (scatter.points.empty()) throw ValueError("a scatter plot needs at least one point, got none");
  for (const ScatterPoint& point : scatter.points) {
    if (!(point.measured_us > 0) || !std::isfinite(point.measured_us)) {
      throw ValueError(
          fmt::format("measured times must be positive, got {} us (\"{}\")", point.measured_us, point.name));
    }
    if (!(point.predicted_us >= 0) || !std::isfinite(point.predicted_us)) {
      throw ValueError(fmt::format("predicted times must not be negative, got {} us (\"{}\")",
                                   point.predicted_us, point.name));
    }
  }
  return Drawing(scatter).svg();
}

}  // namespace latgrad::profile
