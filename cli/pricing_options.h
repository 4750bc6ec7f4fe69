// The options for pricing: the table, the device, the statistic of a record, and how repeated records are
// combined.

#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <string>

#include "latgrad/base/json.h"
#include "latgrad/lut/estimate.h"

namespace latgrad::cli {

struct PricingOptions {
  std::filesystem::path lut;  // empty: nothing is priced
  std::string device;         // empty: the table's default device
  std::string mode = "ave";
  std::string statistic = "p50";
};

// Adds --lut, --device, --mode and --statistic. Returns --lut.
CLI::Option* add_pricing_options(CLI::App& app, PricingOptions& options);

// Adds --precision.
void add_precision_option(CLI::App& app, std::string& precision);

// A table together with the options for its lookups.
struct Pricing {
  lut::Table table;
  lut::EstimateOptions options;  // with the device resolved
  std::filesystem::path lut;

  // Adds the members lut, device, mode and statistic.
  void add_to(base::Json& object) const;
  // "SM-G950U-7.0-24 by table.json (ave of p50)".
  std::string text() const;
};

// As Pricing::text.
std::string pricing_text(const std::string& lut, const lut::EstimateOptions& options);

// Errors: as Table::load; ValueError if the table lacks the device, or if the device must be named.
Pricing load_pricing(const PricingOptions& options);

}  // namespace latgrad::cli
