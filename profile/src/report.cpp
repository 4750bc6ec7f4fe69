#include "latgrad/profile/report.h"

#include <fmt/format.h>

#include "latgrad/base/duration.h"
#include "latgrad/base/json.h"
#include "latgrad/base/listed.h"
#include "latgrad/profile/run.h"
#include "percent_json.h"

namespace latgrad::profile {
namespace {

using base::Json;

// Text for people lists this many operators by name; --json lists all.
constexpr size_t kListed = 10;

Json missing_json(const std::vector<MissingOperator>& missing) {
  Json list = Json::array();
  for (const MissingOperator& op : missing) {
    list.push_back({{"op_type", op.op_type}, {"operator", op.description}, {"reason", op.reason}});
  }
  return list;
}

std::string missing_text(const std::vector<MissingOperator>& missing) {
  if (missing.empty()) return "";
  std::string text = fmt::format("Not measured: {} operators\n", missing.size());
  for (const MissingOperator& op : missing) text += fmt::format("  {}\n    {}\n", op.description, op.reason);
  return text;
}

Json unsettled_json(const std::vector<UnsettledOperator>& unsettled) {
  Json list = Json::array();
  for (const UnsettledOperator& op : unsettled) {
    list.push_back(
        {{"operator", op.description}, {"median_error_percent", percent_or_null(op.relative_error)}});
  }
  return list;
}

std::string unsettled_text(const std::vector<UnsettledOperator>& unsettled, double target) {
  if (unsettled.empty()) return "";
  std::vector<std::string> operators;
  for (const UnsettledOperator& op : unsettled) {
    operators.push_back(op.relative_error
                            ? fmt::format("+-{:.1f} %  {}", 100 * *op.relative_error, op.description)
                            : fmt::format("too few visits  {}", op.description));
  }
  return fmt::format(
      "Not known to within {:g} %: {} operators (--json lists all); use a larger --budget or a quieter "
      "machine\n{}",
      100 * target, unsettled.size(), base::listed_lines(operators, kListed));
}

}  // namespace

std::string report_json(const RunResult& result) {
  return base::json_text({{"device", result.device},
                          {"output", result.output.string()},
                          {"provenance", provenance_path(result.output).string()},
                          {"engine", result.runner.engine},
                          {"planned", result.planned},
                          {"measured", result.measured},
                          {"known", result.known},
                          {"elapsed_s", base::rounded(result.elapsed_s, 1)},
                          {"median_spread", base::rounded(result.median_spread, 3)},
                          {"visits", result.visits},
                          {"discarded_visits", result.discarded_visits},
                          {"budget_spent", result.budget_spent},
                          {"unsettled", unsettled_json(result.unsettled)},
                          {"missing", missing_json(result.missing)}});
}

std::string report_text(const Options& options, const RunResult& result) {
  std::string text = fmt::format("Measured {} operators in {} for {}", result.measured,
                                 base::format_duration(result.elapsed_s), result.device);
  if (options.lut) text += fmt::format("; {} others were already in {}", result.known, options.lut->string());
  text += fmt::format("\nMedian spread (p90 - p10) / p50: {:.1f} %\n", 100 * result.median_spread);
  if (result.discarded_visits > 0) {
    text += fmt::format("The machine drifted: {} of {} network runs were discarded and measured again.\n",
                        result.discarded_visits, result.visits);
  }
  text += unsettled_text(result.unsettled, options.measure.target);
  text += missing_text(result.missing);
  return text + fmt::format("Table: {}\nProvenance: {}\n", result.output.string(),
                            provenance_path(result.output).string());
}

std::string report_json(const DryRunResult& result) {
  return base::json_text(
      {{"device", result.device},
       {"operators", result.operators},
       {"known", result.known},
       {"estimated_s", result.estimated_s ? Json(base::rounded(*result.estimated_s, 1)) : Json()},
       {"missing", missing_json(result.missing)}});
}

std::string report_text(const Options& options, const DryRunResult& result) {
  std::string text;
  for (const std::string& op : result.operators) text += op + "\n";
  text += fmt::format("{} distinct operators to measure for {}", result.operators.size(), result.device);
  text += result.estimated_s ? fmt::format(", about {}\n", base::format_duration(*result.estimated_s)) : "\n";
  if (options.lut) text += fmt::format("{} others are already in {}\n", result.known, options.lut->string());
  return text + missing_text(result.missing);
}

}  // namespace latgrad::profile
