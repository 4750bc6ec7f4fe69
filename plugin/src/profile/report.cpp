#include <fmt/format.h>

#include "duration.h"
#include "latgrad/lut/json_string.h"
#include "provenance.h"
#include "run.h"

namespace latgrad::profile {
namespace {

std::string missing_json(const std::vector<MissingOperator>& missing) {
  std::string json = "[";
  for (const MissingOperator& op : missing) {
    json += fmt::format("{}\n    {{\"op_type\": {}, \"operator\": {}, \"reason\": {}}}",
                        json.size() > 1 ? "," : "", lut::json_string(op.op_type),
                        lut::json_string(op.description), lut::json_string(op.reason));
  }
  return json + (missing.empty() ? "]" : "\n  ]");
}

std::string missing_text(const std::vector<MissingOperator>& missing) {
  if (missing.empty()) return "";
  std::string text = fmt::format("Not measured: {} operators\n", missing.size());
  for (const MissingOperator& op : missing) text += fmt::format("  {}\n    {}\n", op.description, op.reason);
  return text;
}

}  // namespace

std::string report(const Options& options, const RunResult& result) {
  std::string output = options.output.string();
  std::string provenance = provenance_path(options.output).string();
  if (options.json) {
    return fmt::format(
        R"({{
  "device": {},
  "output": {},
  "provenance": {},
  "planned": {},
  "measured": {},
  "known": {},
  "elapsed_s": {:.1f},
  "median_spread": {:.3f},
  "budget_spent": {},
  "missing": {}
}}
)",
        lut::json_string(options.device), lut::json_string(output), lut::json_string(provenance),
        result.planned, result.measured, result.known, result.elapsed_s, result.median_spread,
        result.budget_spent, missing_json(result.missing));
  }
  std::string text = fmt::format("Measured {} operators in {} for {}", result.measured,
                                 format_duration(result.elapsed_s), options.device);
  if (options.lut) text += fmt::format(", {} more were in {}", result.known, options.lut->string());
  text += fmt::format("\nMedian spread (p90 - p10) / p50: {:.1f} %\n", 100 * result.median_spread);
  if (result.budget_spent) text += "The budget ended the run before all repetitions were taken.\n";
  text += missing_text(result.missing);
  return text + fmt::format("Table: {}\nProvenance: {}\n", output, provenance);
}

std::string report(const Options& options, const DryRunResult& result) {
  if (options.json) {
    std::string operators = "[";
    for (const lut::OperatorKey& key : result.plan.operators()) {
      operators +=
          fmt::format("{}\n    {}", operators.size() > 1 ? "," : "", lut::json_string(lut::describe(key)));
    }
    operators += result.plan.operators().empty() ? "]" : "\n  ]";
    return fmt::format(
        R"({{
  "device": {},
  "operators": {},
  "known": {},
  "estimated_s": {:.1f},
  "missing": {}
}}
)",
        lut::json_string(options.device), operators, result.plan.num_known(), result.estimated_s,
        missing_json(result.missing));
  }
  std::string text;
  for (const lut::OperatorKey& key : result.plan.operators()) text += lut::describe(key) + "\n";
  text += fmt::format("{} distinct operators to measure for {}, about {}\n", result.plan.operators().size(),
                      options.device, format_duration(result.estimated_s));
  if (options.lut) text += fmt::format("{} more are in {}\n", result.plan.num_known(), options.lut->string());
  return text + missing_text(result.missing);
}

}  // namespace latgrad::profile
