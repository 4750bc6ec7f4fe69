#include "provenance.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "latgrad/lut/error.h"
#include "latgrad/lut/json_string.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

std::string json_number(const std::optional<double>& number) {
  return number ? fmt::format("{:.2f}", *number) : "null";
}

std::string protocol(const Provenance& p) {
  return fmt::format(
      "Each operator alone, its inputs and weights in a warm cache; weights are packed beforehand. Rounds "
      "over all "
      "operators, each in another random order; in each round {} calls of warm-up, then up to 10 samples. A "
      "sample is "
      "one call, or the mean of so many that they take 20 us. Percentiles are linear between samples. Steady "
      "clock, "
      "{} thread(s), not pinned.",
      p.options.warmup, p.threads);
}

}  // namespace

double median_spread(const std::vector<MeasuredOperator>& operators) {
  if (operators.empty()) return 0;
  std::vector<double> spreads;
  for (const MeasuredOperator& op : operators) spreads.push_back(op.spread);
  std::nth_element(spreads.begin(), spreads.begin() + spreads.size() / 2, spreads.end());
  return spreads[spreads.size() / 2];
}

std::string provenance_json(const Provenance& p) {
  std::string json = fmt::format(
      R"({{
  "table": {},
  "device": {},
  "cpu": {{"model": {}, "family": {}, "model_number": {}, "logical_cores": {}, "architecture": {}}},
  "system": {},
  "engine": {{"int8": "QNNPACK", "fp32": "LibTorch's default CPU kernels"}},
  "torch": {},
  "latgrad": {},
  "threads": {},
  "date_utc": {},
  "elapsed_s": {:.1f},
  "load_average": [{}, {}],
  "warmup": {},
  "repetitions": {},
  "seed": {},
  "budget_s": {},
  "budget_spent": {},
  "resumed": {},
  "protocol": {},
  "extends": {},
  "records_taken_over": {},
  "median_spread": {:.3f},
)",
      lut::json_string(p.table), lut::json_string(p.device), lut::json_string(p.machine.cpu_model),
      lut::json_string(p.machine.cpu_family), lut::json_string(p.machine.cpu_model_number),
      p.machine.logical_cores, lut::json_string(p.machine.architecture), lut::json_string(p.machine.system),
      lut::json_string(p.torch_version), lut::json_string(LATGRAD_VERSION), p.threads,
      lut::json_string(p.date_utc), p.elapsed_s, json_number(p.load_at_start), json_number(p.load_at_end),
      p.options.warmup, p.options.repetitions, p.options.seed,
      p.options.budget_s ? fmt::format("{}", *p.options.budget_s) : "null", p.budget_spent, p.resumed,
      lut::json_string(protocol(p)), p.extends.empty() ? "null" : lut::json_string(p.extends),
      p.records_taken_over, median_spread(p.operators));
  json += "  \"operators\": [";
  for (const MeasuredOperator& op : p.operators) {
    json += fmt::format("{}\n    {{\"operator\": {}, \"samples\": {}, \"spread\": {:.3f}}}",
                        &op == &p.operators[0] ? "" : ",", lut::json_string(op.description), op.samples,
                        op.spread);
  }
  json += "\n  ],\n  \"missing\": [";
  for (const MissingOperator& op : p.missing) {
    json += fmt::format("{}\n    {{\"operator\": {}, \"reason\": {}}}", &op == &p.missing[0] ? "" : ",",
                        lut::json_string(op.description), lut::json_string(op.reason));
  }
  return json + "\n  ]\n}\n";
}

fs::path provenance_path(const fs::path& table) {
  return table.parent_path() / (table.stem().string() + ".provenance.json");
}

std::string date_utc() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

void write_text(const std::string& text, const fs::path& path) {
  fs::path temporary = path;
  temporary += ".tmp";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) throw IoError("cannot write the file", {.file = temporary.string()});
  file.close();
  std::error_code error;
  fs::rename(temporary, path, error);
  if (error) throw IoError("cannot rename the file: " + error.message(), {.file = path.string()});
}

}  // namespace latgrad::profile
