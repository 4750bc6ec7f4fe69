#include "latgrad/profile/report.h"

#include <fmt/format.h>

#include <cmath>

#include "latgrad/base/duration.h"
#include "latgrad/base/json.h"
#include "latgrad/base/listed.h"
#include "latgrad/profile/run.h"
#include "percent_json.h"
#include "reference_json.h"

namespace latgrad::profile {
namespace {

using base::Json;

// Text for people lists this many operators by name; --json lists all.
constexpr size_t kListed = 10;
// Below this, a difference between the speeds of two days is not worth a word.
constexpr double kSameSpeed = 5e-4;

Json missing_json(const std::vector<MissingOperator>& missing) {
  Json list = Json::array();
  for (const MissingOperator& op : missing) {
    list.push_back({{"op_type", op.op_type}, {"operator", op.description}, {"reason", op.reason}});
  }
  return list;
}

Json rounded_or_null(const std::optional<double>& value) {
  return value ? Json(base::rounded(*value, 3)) : Json();
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

std::string measured_text(const Options& options, const RunResult& result) {
  std::string text = fmt::format("Measured {} operators in {} for {}", result.measured,
                                 base::format_duration(result.elapsed_s), result.device);
  if (options.lut) text += fmt::format("; {} others were already in {}", result.known, options.lut->string());
  return text +
         fmt::format("\nMedian spread (p90 - p10) / p50: {:.1f} %\n", 100 * result.median_spread.value_or(0));
}

std::string inferred_text(const Inference& inference, const RunResult& result) {
  const Agreement& left_out = inference.left_out;
  std::string text =
      fmt::format("Inferred {} operators from {} whole networks in {} for {}\n", result.measured,
                  inference.networks.size(), base::format_duration(result.elapsed_s), result.device);
  text += fmt::format(
      "What the other networks predict for each one is off by {:.2f} % (MAPE), at worst by {:+.1f} %; within "
      "5 %: {} of {}; inside its 90 % interval: {}",
      100 * left_out.mape, 100 * left_out.worst_error, left_out.within_5_percent, left_out.pairs,
      inference.covered);
  text += left_out.tau ? fmt::format(", Kendall tau {:.3f}\n", *left_out.tau) : "\n";
  if (inference.unsettled > 0) {
    text += fmt::format(
        "Not known to the target: the times of {} networks; their errors average out over the table, and are "
        "part of "
        "those above. Use a larger --budget or a quieter machine\n",
        inference.unsettled);
  }
  return text;
}

Json inference_json(const std::optional<Inference>& inference) {
  if (!inference) return nullptr;
  const Agreement& left_out = inference->left_out;
  return {{"networks", left_out.pairs},
          {"unsettled", inference->unsettled},
          {"mape_percent", base::rounded(100 * left_out.mape, 3)},
          {"inside_their_interval", inference->covered},
          {"worst_percent", base::rounded(100 * left_out.worst_error, 3)},
          {"within_5_percent", left_out.within_5_percent},
          {"within_10_percent", left_out.within_10_percent},
          {"kendall_tau", left_out.tau ? Json(base::rounded(*left_out.tau, 4)) : Json()}};
}

}  // namespace

std::string reference_text(const ReferenceReport& report) {
  if (report.reference && !(report.now_us > 0)) return "";  // nothing was measured
  if (!report.reference)
    return "Times are as they came: there is no reference network that the runner can run.\n";
  const Reference& reference = *report.reference;
  std::string text = fmt::format("Times are ratios to {}, {:.3f} ms on the undisturbed machine",
                                 reference.name, reference.time_us / 1000);
  if (const double factor = report.now_us / reference.time_us; std::abs(factor - 1) > kSameSpeed) {
    text += fmt::format("; now it takes {:.3f} times as long", factor);
  }
  text += fmt::format(".\nThe machine was {} ((p90 - p10) / p50 of the reference)",
                      steadiness_text(report.unsteadiness.value_or(0), report.steady));
  if (report.discarded_samples > 0) {
    text += fmt::format("; it changed its speed under {} of {} samples, which do not count",
                        report.discarded_samples, report.samples);
  }
  return text + ".\n";
}

std::string report_json(const RunResult& result) {
  return base::json_text({{"device", result.device},
                          {"output", result.output.string()},
                          {"provenance", provenance_path(result.output).string()},
                          {"engine", result.runner.engine},
                          {"planned", result.planned},
                          {"measured", result.measured},
                          {"known", result.known},
                          {"elapsed_s", base::rounded(result.elapsed_s, 1)},
                          {"median_spread", rounded_or_null(result.median_spread)},
                          {"visits", result.visits},
                          {"samples", result.samples},
                          {"discarded_samples", result.discarded_samples},
                          {"reference", reference_json(result.reference, result.reference_now_us)},
                          {"unsteadiness_percent", percent_or_null(result.unsteadiness)},
                          {"advice", result.advice},
                          {"budget_spent", result.budget_spent},
                          {"inferred", inference_json(result.inference)},
                          {"unsettled", unsettled_json(result.unsettled)},
                          {"missing", missing_json(result.missing)}});
}

std::string report_text(const Options& options, const RunResult& result) {
  std::string text =
      result.inference ? inferred_text(*result.inference, result) : measured_text(options, result);
  text += reference_text({.reference = result.reference,
                          .now_us = result.reference_now_us,
                          .unsteadiness = result.unsteadiness,
                          .steady = options.steady,
                          .samples = result.samples,
                          .discarded_samples = result.discarded_samples});
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
