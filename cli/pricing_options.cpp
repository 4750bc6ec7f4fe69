#include "pricing_options.h"

#include <fmt/format.h>

#include <vector>

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
  return {std::move(table), estimate, options.lut};
}

}  // namespace latgrad::cli
