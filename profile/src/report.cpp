#include <fmt/format.h>

#include "latgrad/base/duration.h"
#include "latgrad/base/json_string.h"
#include "latgrad/profile/run.h"

namespace latgrad::profile {
namespace {

using base::json_string;

// So many operators are listed by name for people; --json lists all.
constexpr size_t kListed = 10;

std::string missing_json(const std::vector<MissingOperator>& missing) {
  std::string json = "[";
  for (const MissingOperator& op : missing) {
    json += fmt::format("{}\n    {{\"op_type\": {}, \"operator\": {}, \"reason\": {}}}",
                        json.size() > 1 ? "," : "", json_string(op.op_type), json_string(op.description),
                        json_string(op.reason));
  }
  return json + (missing.empty() ? "]" : "\n  ]");
}

std::string missing_text(const std::vector<MissingOperator>& missing) {
  if (missing.empty()) return "";
  std::string text = fmt::format("Not measured: {} operators\n", missing.size());
  for (const MissingOperator& op : missing) text += fmt::format("  {}\n    {}\n", op.description, op.reason);
  return text;
}

std::string unsettled_json(const std::vector<UnsettledOperator>& unsettled) {
  std::string json = "[";
  for (const UnsettledOperator& op : unsettled) {
    json += fmt::format("{}\n    {{\"operator\": {}, \"median_error\": {}}}", json.size() > 1 ? "," : "",
                        json_string(op.description),
                        op.relative_error ? fmt::format("{:.4f}", *op.relative_error) : "null");
  }
  return json + (unsettled.empty() ? "]" : "\n  ]");
}

std::string unsettled_text(const std::vector<UnsettledOperator>& unsettled, double target) {
  if (unsettled.empty()) return "";
  std::string text = fmt::format(
      "Not known within {:g} %: {} operators; a larger --budget, or a quieter machine, settles them\n",
      100 * target, unsettled.size());
  for (size_t i = 0; i < std::min(unsettled.size(), kListed); ++i) {
    const UnsettledOperator& op = unsettled[i];
    text += op.relative_error ? fmt::format("  +-{:.1f} %  {}\n", 100 * *op.relative_error, op.description)
                              : fmt::format("  too few visits  {}\n", op.description);
  }
  if (unsettled.size() > kListed) {
    text += fmt::format("  ... and {} more, listed by --json and in the provenance\n",
                        unsettled.size() - kListed);
  }
  return text;
}

}  // namespace

std::string report_json(const RunResult& result) {
  return fmt::format(
      R"({{
  "device": {},
  "output": {},
  "provenance": {},
  "engine": {},
  "planned": {},
  "measured": {},
  "known": {},
  "elapsed_s": {:.1f},
  "median_spread": {:.3f},
  "visits": {},
  "discarded_visits": {},
  "budget_spent": {},
  "unsettled": {},
  "missing": {}
}}
)",
      json_string(result.device), json_string(result.output.string()),
      json_string(provenance_path(result.output).string()), json_string(result.runner.engine), result.planned,
      result.measured, result.known, result.elapsed_s, result.median_spread, result.visits,
      result.discarded_visits, result.budget_spent, unsettled_json(result.unsettled),
      missing_json(result.missing));
}

std::string report_text(const Options& options, const RunResult& result) {
  std::string text = fmt::format("Measured {} operators in {} for {}", result.measured,
                                 base::format_duration(result.elapsed_s), result.device);
  if (options.lut) text += fmt::format(", {} more were in {}", result.known, options.lut->string());
  text += fmt::format("\nMedian spread (p90 - p10) / p50: {:.1f} %\n", 100 * result.median_spread);
  if (result.discarded_visits > 0) {
    text += fmt::format("The machine drifted: {} of {} network runs were discarded and taken again.\n",
                        result.discarded_visits, result.visits);
  }
  text += unsettled_text(result.unsettled, options.measure.target);
  text += missing_text(result.missing);
  return text + fmt::format("Table: {}\nProvenance: {}\n", result.output.string(),
                            provenance_path(result.output).string());
}

std::string report_json(const DryRunResult& result) {
  std::string operators = "[";
  for (const std::string& op : result.operators) {
    operators += fmt::format("{}\n    {}", operators.size() > 1 ? "," : "", json_string(op));
  }
  operators += result.operators.empty() ? "]" : "\n  ]";
  return fmt::format(
      R"({{
  "device": {},
  "operators": {},
  "known": {},
  "estimated_s": {},
  "missing": {}
}}
)",
      json_string(result.device), operators, result.known,
      result.estimated_s ? fmt::format("{:.1f}", *result.estimated_s) : "null", missing_json(result.missing));
}

std::string report_text(const Options& options, const DryRunResult& result) {
  std::string text;
  for (const std::string& op : result.operators) text += op + "\n";
  text += fmt::format("{} distinct operators to measure for {}", result.operators.size(), result.device);
  text += result.estimated_s ? fmt::format(", about {}\n", base::format_duration(*result.estimated_s)) : "\n";
  if (options.lut) text += fmt::format("{} more are in {}\n", result.known, options.lut->string());
  return text + missing_text(result.missing);
}

}  // namespace latgrad::profile
