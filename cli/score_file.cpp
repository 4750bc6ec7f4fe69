#include "score_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "latgrad/base/byte_order_mark.h"
#include "latgrad/base/csv.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/mapped_file.h"

namespace latgrad::cli {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The scores of all cells, -inf at first.
class Scores {
 public:
  explicit Scores(const search::Space& space)
      : space_(space), values_(space.layers().size() * space.max_candidates(), -kInfinity) {}

  double& at(size_t layer, size_t candidate) { return values_[layer * space_.max_candidates() + candidate]; }
  std::vector<double> take() { return std::move(values_); }

 private:
  const search::Space& space_;
  std::vector<double> values_;
};

std::vector<double> read_theta(std::string_view text, const std::filesystem::path& path,
                               const search::Space& space) {
  const base::JsonDocument document(text, "the file", {.file = path.string()});
  const base::JsonValue root = document.root();
  const std::vector<base::JsonValue> rows = root.json().is_object() ? root.at("theta").list() : root.list();
  if (rows.size() != space.layers().size()) {
    throw ParseError(fmt::format("theta must have a list for each of the {} layers, got {}",
                                 space.layers().size(), rows.size()),
                     {.file = path.string()});
  }
  Scores scores(space);
  for (size_t layer = 0; layer < rows.size(); ++layer) {
    const std::vector<bool>& offered = space.layers()[layer].offered;
    const std::vector<base::JsonValue> row = rows[layer].list();
    if (row.size() < offered.size() || row.size() > space.max_candidates()) {
      rows[layer].fail(fmt::format("have a number for each of the {} candidates", offered.size()));
    }
    double sum = 0;
    double largest = -kInfinity;
    for (size_t c = 0; c < offered.size(); ++c) {
      if (offered[c] && !row[c].is_null()) largest = std::max(largest, row[c].number());
    }
    if (largest == -kInfinity) continue;  // read_scores says so
    for (size_t c = 0; c < offered.size(); ++c) {
      if (!offered[c] || row[c].is_null()) continue;
      scores.at(layer, c) = row[c].number();
      sum += std::exp(row[c].number() - largest);
    }
    for (size_t c = 0; c < offered.size(); ++c) scores.at(layer, c) -= largest + std::log(sum);
  }
  return scores.take();
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

size_t find_candidate(const search::LayerInfo& layer, std::string_view cell) {
  const auto named = std::ranges::find(layer.candidates, cell);
  if (named != layer.candidates.end()) return static_cast<size_t>(named - layer.candidates.begin());
  const auto index = parse_number<size_t>(cell);
  return index.value_or(layer.candidates.size());
}

std::vector<double> read_csv(std::string_view text, const std::filesystem::path& path,
                             const search::Space& space) {
  Scores scores(space);
  base::CsvReader csv(text, path.string());
  while (csv.next()) {
    const std::vector<std::string>& cells = csv.cells();
    const auto fail = [&](const std::string& rule) { csv.fail(rule); };
    if (cells.size() != 3)
      fail(fmt::format("a line must be layer,candidate,score, got {} values", cells.size()));
    if (csv.line() == 1 && cells[0] == "layer") continue;
    const auto layer = parse_number<size_t>(cells[0]);
    if (!layer || *layer < 1 || *layer > space.layers().size()) {
      fail(fmt::format("layer must be from 1 to {}, got \"{}\"", space.layers().size(), cells[0]));
    }
    const search::LayerInfo& info = space.layers()[*layer - 1];
    const size_t candidate = find_candidate(info, cells[1]);
    if (candidate >= info.offered.size() || !info.offered[candidate]) {
      fail(fmt::format("candidate must be one that layer {} offers, got \"{}\"", *layer, cells[1]));
    }
    const auto score = parse_number<double>(cells[2]);
    if (!score || !std::isfinite(*score)) fail(fmt::format("score must be a number, got \"{}\"", cells[2]));
    double& cell = scores.at(*layer - 1, candidate);
    if (cell != -kInfinity)
      fail(fmt::format("candidate {} of layer {} must have one score, got a second", cells[1], *layer));
    cell = *score;
  }
  return scores.take();
}

}  // namespace

std::vector<double> read_scores(const std::filesystem::path& path, const search::Space& space) {
  const base::MappedFile file(path);
  const std::string_view text = base::without_byte_order_mark(file.bytes());
  std::vector<double> scores =
      path.extension() == ".csv" ? read_csv(text, path, space) : read_theta(text, path, space);
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const auto row = std::span(scores).subspan(layer * space.max_candidates(), space.max_candidates());
    if (std::ranges::all_of(row, [](double score) { return score == -kInfinity; })) {
      throw ParseError(fmt::format("layer {} must have the score of a candidate, got none", layer + 1),
                       {.file = path.string()});
    }
  }
  return scores;
}

}  // namespace latgrad::cli
