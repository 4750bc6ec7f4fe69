#include "report/latency_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "latgrad/base/xml_text.h"
#include "quantities.h"
#include "report/colours.h"

namespace latgrad::cli::report {

using base::xml_text;

namespace {

// Names of candidates in the order in which they appear, and the column of each.
struct Columns {
  std::vector<std::string> names;
  std::unordered_map<std::string, size_t> of;
};

Columns columns_of(const LatencyTable& table) {
  Columns columns;
  for (const TableLayer& layer : table.layers) {
    for (const std::string& name : layer.candidates) {
      if (columns.of.try_emplace(name, columns.names.size()).second) columns.names.push_back(name);
    }
  }
  return columns;
}

std::string cell(const LatencyTable& table, size_t layer, size_t candidate, double most_us, bool picked) {
  const auto us = table.layers[layer].us[candidate];
  if (!us) return "<td class=\"none\">\u2013</td>";
  return fmt::format("<td class=\"{}{}\" title=\"layer {}, {}: {} \u00b5s\">{}</td>",
                     level_class(most_us > 0 ? *us / most_us : 0), picked ? " pick" : "", layer + 1,
                     xml_text(table.layers[layer].candidates[candidate]), format_us(*us), format_us(*us));
}

}  // namespace

double largest_us(const LatencyTable& table) {
  double largest = 0;
  for (const TableLayer& layer : table.layers) {
    for (const auto& us : layer.us) largest = std::max(largest, us.value_or(0));
  }
  return largest;
}

size_t count_names(const LatencyTable& table) { return columns_of(table).names.size(); }

std::string latency_map(const LatencyTable& table, const Pick& pick) {
  if (table.layers.empty()) return "";
  const Columns columns = columns_of(table);
  const double most_us = largest_us(table);
  std::string html =
      "<div class=\"scroll\" role=\"region\" aria-label=\"Latency table\" tabindex=\"0\"><table "
      "class=\"heat\">\n<thead><tr><th scope=\"col\">layer</th>";
  for (const std::string& name : columns.names) {
    html += fmt::format("<th scope=\"col\">{}</th>", xml_text(name));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (size_t layer = 0; layer < table.layers.size(); ++layer) {
    std::vector<std::string> cells(columns.names.size(), "<td></td>");
    for (size_t c = 0; c < table.layers[layer].candidates.size(); ++c) {
      cells[columns.of.at(table.layers[layer].candidates[c])] =
          cell(table, layer, c, most_us, pick.has(layer, c));
    }
    html += fmt::format("<tr><th scope=\"row\">{}</th>", layer + 1);
    for (const std::string& text : cells) html += text;
    html += "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  html +=
      fmt::format("<p class=\"key\">0 <span class=\"scale\"></span> {} \u00b5s</p>\n", format_us(most_us));
  return html;
}

}  // namespace latgrad::cli::report
