// {"format": "latgrad posterior", "version": 1, "noise": 0.012,
//  "times_us": [by record], "covariance_us2": [[its row up to the diagonal], ...]}

#include "latgrad/search/posterior_file.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/mapped_file.h"
#include "latgrad/lut/companion_path.h"

namespace latgrad::search {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "latgrad posterior";
constexpr int64_t kVersion = 1;
constexpr double kSameTime = 1e-6;  // relative, and in microseconds

}  // namespace

fs::path posterior_path(const fs::path& table) { return lut::companion_path(table, "posterior"); }

std::optional<Interval> interval_of(const lut::Estimate& estimate, const OperatorPosterior& posterior) {
  std::vector<uint32_t> records;
  for (const lut::OpEstimate& op : estimate.ops) {
    if (op.records.size() != 1) return std::nullopt;
    records.push_back(op.records.front());
  }
  return posterior.price(records);
}

std::string posterior_text(const OperatorPosterior& posterior) {
  const size_t size = posterior.times_us().size();
  std::string text =
      fmt::format("{{\"format\": \"{}\", \"version\": {}, \"noise\": {:.6g},\n \"times_us\": [", kFormat,
                  kVersion, posterior.noise());
  for (size_t op = 0; op < size; ++op) {
    text += fmt::format("{}{}", op == 0 ? "" : ", ", posterior.times_us()[op]);
  }
  text += "],\n \"covariance_us2\": [";
  for (size_t op = 0; op < size; ++op) {
    text += op == 0 ? "\n  [" : ",\n  [";
    for (size_t other = 0; other <= op; ++other) {
      text += fmt::format("{}{:.9g}", other == 0 ? "" : ", ", posterior.covariance_us2()[op * size + other]);
    }
    text += ']';
  }
  return text + "]}\n";
}

std::optional<OperatorPosterior> load_posterior(const fs::path& path, const lut::Table& table) {
  const fs::path file_path = posterior_path(path);
  if (!fs::exists(file_path)) return std::nullopt;
  const base::MappedFile file(file_path);
  const base::JsonDocument document(file.bytes(), "the file", {.file = file_path.string()});
  const base::JsonValue root = document.root();
  if (root.at("format").text() != kFormat) root.at("format").fail(fmt::format("be \"{}\"", kFormat));
  root.at("version").integer(1, kVersion);
  const size_t size = table.size();
  const std::vector<base::JsonValue> times = root.at("times_us").list();
  const std::vector<base::JsonValue> rows = root.at("covariance_us2").list();
  if (times.size() != size) return std::nullopt;
  if (rows.size() != size) root.at("covariance_us2").fail(fmt::format("have {} rows", size));
  std::vector<double> times_us;
  for (size_t op = 0; op < size; ++op) {
    times_us.push_back(times[op].number());
    const double there_us = table.time_us(op, lut::Statistic::kP50);
    if (!(std::abs(times_us[op] - there_us) <= kSameTime * (1 + there_us))) {
      return std::nullopt;
    }
  }
  std::vector<double> covariance_us2(size * size);
  for (size_t op = 0; op < size; ++op) {
    const std::vector<base::JsonValue> row = rows[op].list();
    if (row.size() != op + 1) rows[op].fail(fmt::format("have {} figures", op + 1));
    for (size_t other = 0; other <= op; ++other) {
      covariance_us2[op * size + other] = covariance_us2[other * size + op] = row[other].number();
    }
  }
  return OperatorPosterior(std::move(times_us), std::move(covariance_us2), root.at("noise").number());
}

}  // namespace latgrad::search
