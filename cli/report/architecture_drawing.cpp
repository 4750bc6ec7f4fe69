#include "report/architecture_drawing.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/xml_text.h"
#include "quantities.h"
#include "report/colours.h"
#include "report/latency_map.h"
#include "report/text.h"

namespace latgrad::cli::report {

using base::xml_text;

namespace {

// Pixels of a block's height: room for its texts, and what the slowest has beyond that.
constexpr double kLowest = 54;
constexpr double kMore = 66;
constexpr size_t kLetters = 11;  // of a name that find room

// Of a map or of tokens.
std::string shape_text(const net::Shape& shape) {
  if (shape.size() == 2) {
    return fmt::format("{}, {}", format_count(static_cast<size_t>(shape[0]), "token"),
                       format_count(static_cast<size_t>(shape[1]), "channel"));
  }
  return fmt::format("{} \u00d7 {}, {}", shape[1], shape[2],
                     format_count(static_cast<size_t>(shape[0]), "channel"));
}

class Drawing {
 public:
  Drawing(const Run& run, const Breakdown& spent) : spent_(spent) {
    if (run.space && run.space->layers().size() == spent.layers.size()) space_ = &*run.space;
    for (const auto* shares : {&spent.before, &spent.layers, &spent.after}) {
      for (const Share& share : *shares) slowest_us_ = std::max(slowest_us_, share.us.value_or(0));
    }
    brightest_us_ = run.table ? largest_us(*run.table) : slowest_us_;
  }

  std::string list() {
    html_ = "<ol class=\"net\">\n";
    begin_stage(space_ != nullptr ? input_text() : "");
    // A fixed part that is not told apart into stem and head has no map size.
    const bool has_stem = !spent_.after.empty();
    if (space_ != nullptr && has_stem) stage(input_text_of(space_->layers().front()));
    for (const Share& share : spent_.before) block("", share);
    for (size_t layer = 0; layer < spent_.layers.size(); ++layer) {
      if (space_ != nullptr) stage(output_text_of(space_->layers()[layer]));
      block(std::to_string(layer + 1), spent_.layers[layer]);
    }
    if (space_ != nullptr && has_stem) stage("classifier");
    for (const Share& share : spent_.after) block("", share);
    end_stage();
    return html_ + "</ol>\n";
  }

 private:
  std::string input_text() const {
    const net::Shape input = space_->input_shape();
    return "input " + shape_text({input.begin() + 1, input.end()});
  }
  static std::string input_text_of(const search::LayerInfo& layer) { return shape_text(layer.in_shape()); }
  static std::string output_text_of(const search::LayerInfo& layer) { return shape_text(layer.out_shape()); }

  void begin_stage(const std::string& title) {
    title_ = title;
    html_ += fmt::format("<li>{}<ol>\n", title.empty() ? "" : fmt::format("<p>{}</p>", title));
  }
  void end_stage() { html_ += "</ol></li>\n"; }

  // What follows stands under `title`.
  void stage(const std::string& title) {
    if (title == title_) return;
    end_stage();
    begin_stage(title);
  }

  void block(const std::string& number, const Share& share) {
    const double us = share.us.value_or(0);
    const double height = kLowest + (slowest_us_ > 0 ? kMore * us / slowest_us_ : 0);
    const std::string style = us > 0 ? level_class(brightest_us_ > 0 ? us / brightest_us_ : 0) : "free";
    const std::string time = share.us ? format_us(us) + " \u00b5s" : "";
    html_ += fmt::format(
        "<li class=\"{}\" style=\"height:{:.0f}px\" "
        "title=\"{}\"><small>{}</small><b>{}</b><span>{}</span></li>\n",
        style, height,
        xml_text(fmt::format("{}{}: {}, {}", number.empty() ? "" : "layer " + number + ", ", share.name,
                             share.us ? time : "not known", share_text(us, spent_.total_us))),
        number, xml_text(shortened(share.name, kLetters)), time);
  }

  const Breakdown& spent_;
  const search::Space* space_ = nullptr;
  double slowest_us_ = 0;
  double brightest_us_ = 0;
  std::string title_;
  std::string html_;
};

}  // namespace

std::string architecture_drawing(const Run& run, const Pick& pick, const Breakdown& spent) {
  if (pick.blocks.empty()) return "";
  return Drawing(run, spent).list();
}

}  // namespace latgrad::cli::report
