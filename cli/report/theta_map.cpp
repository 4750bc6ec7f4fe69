#include "report/theta_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "latgrad/base/text_builder.h"
#include "latgrad/base/xml_text.h"
#include "report/colours.h"
#include "report/spread.h"
#include "report/text.h"

namespace latgrad::cli::report {

using base::xml_text;

namespace {

constexpr size_t kMostColumns = 60;
constexpr size_t kTitleEpochs = 6;  // of which pointing at a row tells the probability

// Of the picture's own units, which are about a pixel.
constexpr double kNames = 66;
constexpr double kMap = 100;
constexpr double kRow = 13.5;
constexpr double kFoot = 15;
constexpr size_t kLetters = 8;  // of a name that find room

// The map of one layer. Rows are those of the last epoch.
class LayerMap : private base::TextBuilder {
 public:
  LayerMap(const Run& run, const Pick& pick, size_t layer) : run_(run), pick_(pick), layer_(layer) {
    for (size_t epoch : evenly_spread(run.epochs.size(), kMostColumns)) {
      const auto& theta = run.epochs[epoch].theta;
      columns_.push_back(layer < theta.size() ? probabilities(theta[layer]) : Numbers());
    }
    rows_ = columns_.back().size();
  }

  std::string figure() {
    const double height = kRow * static_cast<double>(rows_) + kFoot;
    add("<figure><figcaption><b>{}</b> {}</figcaption>\n", layer_ + 1, xml_text(outcome()));
    add("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kNames + kMap, height,
        xml_text(summary()));
    add_names();
    add("<g transform=\"translate({} 0) scale({:.4f} {})\">\n", kNames,
        kMap / static_cast<double>(columns_.size()), kRow);
    add_strokes();
    add_titles();
    add("</g>\n<text x=\"{}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
        kNames, height - 3, kNames + kMap, height - 3, run_.epochs.size() - 1);
    add("</svg></figure>\n");
    return take();
  }

 private:
  std::optional<double> at(size_t column, size_t row) const {
    return row < columns_[column].size() ? columns_[column][row] : std::nullopt;
  }

  static std::string percent(const std::optional<double>& probability, int digits = 1) {
    return probability ? fmt::format("{:.{}f} %", 100 * *probability, digits) : "not offered";
  }

  // "k5_e6 98 %": of the pick, or of the most probable candidate where there is none.
  std::string outcome() const {
    std::optional<size_t> row;
    for (size_t c = 0; c < rows_; ++c) {
      const bool better = at(columns_.size() - 1, c) > (row ? at(columns_.size() - 1, *row) : std::nullopt);
      if (pick_.architecture.empty() ? better : pick_.has(layer_, c)) row = c;
    }
    if (!row) return "";
    return fmt::format("{} {}", run_.candidate_name(layer_, *row), percent(at(columns_.size() - 1, *row), 0));
  }

  std::string summary() const {
    return fmt::format("Layer {}: probabilities of {} candidates over epochs 0 to {}; at the end {}",
                       layer_ + 1, rows_, run_.epochs.size() - 1, outcome());
  }

  void add_names() {
    add("<g text-anchor=\"end\">");
    for (size_t c = 0; c < rows_; ++c) {
      add("<text x=\"{}\" y=\"{:.1f}\"{}>{}</text>", kNames - 4, kRow * static_cast<double>(c) + 10.5,
          pick_.has(layer_, c) ? " class=\"pick\"" : "",
          xml_text(shortened(run_.candidate_name(layer_, c), kLetters)));
    }
    add("</g>\n");
  }

  // One path for each colour, in units of columns and rows.
  void add_strokes() {
    std::map<std::string, std::string> paths;
    for (size_t row = 0; row < rows_; ++row) {
      for (size_t begin = 0, end = 0; begin < columns_.size(); begin = end) {
        const std::string style = stroke(begin, row);
        while (end < columns_.size() && stroke(end, row) == style) ++end;
        paths[style] += fmt::format("M{} {}.5h{}", begin, row, end - begin);
      }
    }
    for (const auto& [style, path] : paths) add("<path class=\"{}\" d=\"{}\"/>\n", style, path);
  }

  std::string stroke(size_t column, size_t row) const {
    const auto probability = at(column, row);
    return probability ? level_class(*probability) : "none";
  }

  void add_titles() {
    for (size_t row = 0; row < rows_; ++row) {
      add("<rect class=\"hit\" y=\"{}\" width=\"{}\" height=\"1\"><title>layer {}, {}", row, columns_.size(),
          layer_ + 1, xml_text(run_.candidate_name(layer_, row)));
      const std::vector<size_t> epochs = evenly_spread(run_.epochs.size(), kMostColumns);
      for (size_t column : evenly_spread(columns_.size(), kTitleEpochs)) {
        add("\nepoch {}: {}", epochs[column], percent(at(column, row)));
      }
      add("</title></rect>\n");
    }
  }

  const Run& run_;
  const Pick& pick_;
  size_t layer_;
  size_t rows_ = 0;
  std::vector<Numbers> columns_;  // [epochs that are shown][candidates]
};

}  // namespace

Numbers probabilities(const Numbers& theta) {
  std::optional<double> largest;
  for (const auto& value : theta) largest = std::max(largest, value);  // nothing is below every number
  Numbers result;
  double sum = 0;
  for (const auto& value : theta) {
    result.push_back(value ? std::optional(std::exp(*value - *largest)) : std::nullopt);
    sum += result.back().value_or(0);
  }
  for (auto& value : result) {
    if (value) *value /= sum;
  }
  return result;
}

size_t count_rows(const Run& run) {
  size_t rows = 0;
  if (run.epochs.empty()) return rows;
  for (const Numbers& layer : run.epochs.back().theta) rows += 1 + layer.size();
  return rows;
}

std::string theta_maps(const Run& run, const Pick& pick) {
  if (run.epochs.empty() || run.epochs.back().theta.empty()) return "";
  std::string html = "<div class=\"maps\">\n";
  for (size_t layer = 0; layer < run.epochs.back().theta.size(); ++layer) {
    html += LayerMap(run, pick, layer).figure();
  }
  return html + "</div>\n";
}

}  // namespace latgrad::cli::report
