// The options for pricing: the table, the device, the statistic of a record, and how repeated records are
// combined.

#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "latgrad/base/json.h"
#include "latgrad/lut/estimate.h"
#include "latgrad/search/operator_posterior.h"

namespace latgrad::cli {

struct PricingOptions {
  std::filesystem::path lut;  // empty: nothing is priced
  std::string device;         // empty: the table's default device
  std::string mode = "ave";
  std::string statistic = "p50";
  bool estimate_missing = false;
};

// Adds --lut, --device, --mode and --statistic. Returns --lut.
CLI::Option* add_pricing_options(CLI::App& app, PricingOptions& options);

// Adds --estimate-missing.
void add_estimate_missing_option(CLI::App& app, PricingOptions& options);

// Adds --precision.
void add_precision_option(CLI::App& app, std::string& precision);

// A table together with the options for its lookups.
struct Pricing {
  lut::Table table;
  lut::EstimateOptions options;  // with the device resolved
  std::filesystem::path lut;
  std::optional<search::OperatorPosterior> posterior = {};  // of an estimated table, from the file next to it

  bool estimates_missing = false;

  // lut::estimate, and on request times for the operators that the table lacks.
  lut::Estimate estimate(const net::Net& net, const net::NetShapes& shapes) const;

  // Where nine of ten measured times of a network lie; nothing without a posterior, for another statistic
  // than p50, where several records are combined, or where an operator is missing.
  std::optional<search::Interval> interval(const lut::Estimate& estimate) const;

  // Adds the members lut, device, mode and statistic.
  void add_to(base::Json& object) const;
  // "SM-G950U-7.0-24 by table.json (ave of p50)".
  std::string text() const;
};

// As Pricing::text.
std::string pricing_text(const std::string& lut, const lut::EstimateOptions& options);

// Errors: as Table::load; ValueError if the table lacks the device, or if the device must be named.
Pricing load_pricing(const PricingOptions& options);

// Adds the members low_us and high_us, null where nothing is known of them.
void add_interval(base::Json& object, const std::optional<search::Interval>& interval);

// "\n90% lie in    18.2 to 21.4 ms"; empty where nothing is known of it. `label` is the first words.
std::string interval_text(const char* label, const std::optional<search::Interval>& interval);

}  // namespace latgrad::cli
