#include "pricing_options.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "latgrad/search/estimate_missing.h"
#include "latgrad/search/posterior_file.h"

namespace latgrad::cli {

CLI::Option* add_pricing_options(CLI::App& app, PricingOptions& options) {
  CLI::Option* lut =
      app.add_option("--lut", options.lut,
                     "The look-up table: one record per line (.json), or the same as .json.gz or .zip")
          ->type_name("FILE");
  app.add_option(
         "--device", options.device,
         "Device whose records to use [the only one in the table, or the one that its file is named after]")
      ->type_name("NAME");
  app.add_option("--mode", options.mode, "How to combine several records of one operator")
      ->type_name("MODE")
      ->capture_default_str()
      ->check(CLI::IsMember({"ave", "min", "max", "last"}));
  std::vector<std::string> statistics;
  for (const lut::Statistic statistic : lut::kStatistics) statistics.emplace_back(to_string(statistic));
  app.add_option("--statistic", options.statistic,
                 "Which time of a record to use: a percentile of its runs, or their mean")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember(statistics));
  return lut;
}

void add_estimate_missing_option(CLI::App& app, PricingOptions& options) {
  app.add_flag("--estimate-missing", options.estimate_missing,
               "Estimate the operators that the table lacks from those that it has, each with an error");
}

lut::Estimate Pricing::estimate(const net::Net& net, const net::NetShapes& shapes) const {
  lut::Estimate estimate = lut::estimate(net, shapes, table, options);
  if (estimates_missing) search::estimate_missing(estimate, net, shapes, table, options);
  return estimate;
}

void add_precision_option(CLI::App& app, std::string& precision) {
  app.add_option("--precision", precision, "Arithmetic of the networks")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember({"int8", "fp32"}));
}

void Pricing::add_to(base::Json& object) const {
  object["lut"] = lut.string();
  object["device"] = options.device;
  object["mode"] = lut::to_string(options.mode);
  object["statistic"] = lut::to_string(options.statistic);
}

std::string Pricing::text() const { return pricing_text(lut.string(), options); }

std::string pricing_text(const std::string& lut, const lut::EstimateOptions& options) {
  return fmt::format("{} by {} ({} of {})", options.device, lut, lut::to_string(options.mode),
                     lut::to_string(options.statistic));
}

Pricing load_pricing(const PricingOptions& options) {
  lut::Table table = lut::Table::load(options.lut);
  const lut::EstimateOptions estimate{.device = table.resolve_device(options.device),
                                      .mode = lut::parse_mode(options.mode),
                                      .statistic = lut::parse_statistic(options.statistic)};
  auto posterior = search::load_posterior(options.lut, table);
  return {std::move(table), estimate, options.lut, std::move(posterior), options.estimate_missing};
}

std::optional<search::Interval> Pricing::interval(const lut::Estimate& estimate) const {
  if (!posterior || options.statistic != lut::Statistic::kP50) return std::nullopt;
  return search::interval_of(estimate, *posterior);
}

void add_interval(base::Json& object, const std::optional<search::Interval>& interval) {
  object["low_us"] = interval ? base::Json(interval->low_us) : base::Json();
  object["high_us"] = interval ? base::Json(interval->high_us) : base::Json();
}

std::string interval_text(const char* label, const std::optional<search::Interval>& interval) {
  if (!interval) return "";
  return fmt::format("{}{:.3f} to {:.3f} ms: where 9 of 10 measured times lie\n", label,
                     interval->low_us / 1e3, interval->high_us / 1e3);
}

}  // namespace latgrad::cli
