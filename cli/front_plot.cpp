#include "front_plot.h"

#include <algorithm>
#include <cmath>

#include "latgrad/base/text_builder.h"
#include "latgrad/base/xml_text.h"
#include "latgrad/profile/axis_ticks.h"

namespace latgrad::cli {

using base::xml_text;

namespace {

// Pixels.
constexpr double kWidth = 760;
constexpr double kHeight = 480;
constexpr double kLeft = 90;
constexpr double kRight = kWidth - 24;
constexpr double kTop = 60;
constexpr double kBottom = kHeight - 60;

// More would be one on top of the other.
constexpr size_t kMostDots = 400;

struct Range {
  double low, high;

  // With a margin; never of no extent.
  Range(double least, double most) : low(least), high(most) {
    const double margin = std::max({0.05 * (most - least), 1e-3 * std::max(-least, most), 1e-9});
    low -= margin;
    high += margin;
  }
  double fraction(double value) const { return (value - low) / (high - low); }
};

class Drawing : private base::TextBuilder {
 public:
  explicit Drawing(const FrontPlot& plot)
      : plot_(plot), ms_(range_of(&FrontPoint::latency_us, 1e-3)), scores_(range_of(&FrontPoint::score, 1)) {}

  std::string svg() {
    add("<svg{4} viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"14\" fill=\"#222\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{2}\" y=\"34\" font-size=\"18\" "
        "font-weight=\"bold\">{3}</text>\n",
        kWidth, kHeight, kLeft, xml_text(plot_.title),
        plot_.is_file ? " xmlns=\"http://www.w3.org/2000/svg\"" : "");
    add_axes();
    add_front();
    add_marks();
    add("</svg>\n");
    return take();
  }

 private:
  Range range_of(double FrontPoint::*member, double unit) const {
    double least = plot_.points.front().*member, most = least;
    for (const auto* all : {&plot_.points, &plot_.marks}) {
      for (const FrontPoint& point : *all) {
        least = std::min(least, point.*member);
        most = std::max(most, point.*member);
      }
    }
    return {least * unit, most * unit};
  }

  double x(double latency_us) const { return std::lerp(kLeft, kRight, ms_.fraction(latency_us / 1e3)); }
  double y(double score) const { return std::lerp(kBottom, kTop, scores_.fraction(score)); }

  void add_axes() {
    for (const double tick : profile::linear_ticks(ms_.low, ms_.high)) {
      const double at = std::lerp(kLeft, kRight, ms_.fraction(tick));
      add("<path d=\"M{0:.1f} {1}V{2}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" y=\"{3}\" "
          "text-anchor=\"middle\">{4:.6g}</text>\n",
          at, kTop, kBottom, kBottom + 20, tick);
    }
    for (const double tick : profile::linear_ticks(scores_.low, scores_.high)) {
      add("<path d=\"M{1} {0:.1f}H{2}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{4:.1f}\" "
          "text-anchor=\"end\">{5:.6g}</text>\n",
          y(tick), kLeft, kRight, kLeft - 8, y(tick) + 5, tick);
    }
    add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">latency, ms</text>\n", (kLeft + kRight) / 2,
        kHeight - 16);
    add("<text transform=\"translate(22 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        (kTop + kBottom) / 2, xml_text(plot_.score));
  }

  // Between two architectures nothing better costs less: steps.
  void add_front() {
    const std::vector<FrontPoint>& points = plot_.points;
    add("<path fill=\"none\" stroke=\"#0072b2\" stroke-width=\"2\" d=\"M{:.2f} {:.2f}",
        x(points[0].latency_us), y(points[0].score));
    for (size_t i = 1; i < points.size(); ++i)
      add("H{:.2f}V{:.2f}", x(points[i].latency_us), y(points[i].score));
    add("\"/>\n<g fill=\"#0072b2\">\n");
    const size_t step = (points.size() + kMostDots - 1) / kMostDots;
    for (size_t i = 0; i < points.size(); i += step) {
      add("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"{}\"><title>{:.3f} ms, {:.6g}\n{}</title></circle>\n",
          x(points[i].latency_us), y(points[i].score), points.size() > 60 ? 2 : 4, points[i].latency_us / 1e3,
          points[i].score, xml_text(points[i].name));
    }
    add("</g>\n");
  }

  void add_marks() {
    if (plot_.target_us) {
      const double target_ms = *plot_.target_us / 1e3;
      if (target_ms >= ms_.low && target_ms <= ms_.high) {
        const bool is_right = ms_.fraction(target_ms) > 0.7;
        add("<path d=\"M{0:.2f} {1}V{2}\" stroke=\"#555\" stroke-dasharray=\"6 4\"/><text x=\"{3:.2f}\" "
            "y=\"{4}\" text-anchor=\"{6}\">target {5:.3f} ms</text>\n",
            x(*plot_.target_us), kTop, kBottom, x(*plot_.target_us) + (is_right ? -6 : 6), kTop + 14,
            target_ms, is_right ? "end" : "start");
      }
    }
    constexpr const char* kColours[kMostMarks] = {"#d55e00", "#009e73", "#cc79a7"};
    double line = kBottom - 14;
    for (size_t i = plot_.marks.size(); i-- > 0; line -= 22) {
      const FrontPoint& mark = plot_.marks[i];
      const std::string ring = fmt::format("fill=\"none\" stroke-width=\"3\" stroke=\"{}\"", kColours[i]);
      add("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"{}\" {}/>\n", x(mark.latency_us), y(mark.score), 6 + 3 * i,
          ring);
      add("<circle cx=\"{}\" cy=\"{}\" r=\"6\" {}/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}: {:.3f} "
          "ms, "
          "{:.4g}</text>\n",
          kRight - 12, line - 5, ring, kRight - 26, line, xml_text(mark.name), mark.latency_us / 1e3,
          mark.score);
    }
  }

  const FrontPlot& plot_;
  Range ms_;
  Range scores_;
};

}  // namespace

std::string front_plot(const FrontPlot& plot) { return Drawing(plot).svg(); }

}  // namespace latgrad::cli
