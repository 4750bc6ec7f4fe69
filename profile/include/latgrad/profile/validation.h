// One run of the validation, from the options to the report: read, price, measure, compare.
//
//   ValidationReport report = run_validation({.lut = "mine.json", .space = "fbnet.textproto"}, runner,
//   hooks); report_json(report);

#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/lut/estimate.h"
#include "latgrad/lut/missing_operators.h"
#include "latgrad/profile/networks.h"
#include "latgrad/profile/progress.h"
#include "latgrad/profile/rounds.h"
#include "latgrad/profile/validate.h"
#include "latgrad/runner/runner.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

inline constexpr size_t kRandomArchitectures = 20;

struct ValidationOptions {
  std::filesystem::path lut;    // empty: none, networks are only measured
  std::string device;           // empty: the table's default device
  std::filesystem::path space;  // empty: none
  search::Precision precision = search::Precision::kInt8;
  bool named = false;  // the architectures that the space's file names
  size_t random = kRandomArchitectures;
  NetFiles networks = {};
  std::vector<NamedNet> nets = {};  // that are read already
  runner::RunnerSettings runner = {};
  RoundOptions rounds = kValidateRounds;
  bool nodes = false;  // also the engine's own times, node by node, where it takes whole networks
};

struct ValidationReport {
  std::string lut;
  lut::EstimateOptions pricing;                   // with the device resolved
  std::string space_name = {};                    // empty: none
  std::optional<runner::RunnerInfo> runner = {};  // nothing where there was nothing to measure
  std::string table_differs = {};  // how the table's machine differs; empty: it does not, or unknown
  ValidateResult result = {};
  std::vector<std::string> unpriced = {};  // the names of those that the table cannot price
  lut::MissingOperators missing = {};      // that they need

  bool is_complete() const { return unpriced.empty() && result.unmeasured.empty(); }
};

struct ValidationHooks {
  std::function<void(const std::string&)> on_warning = {};  // a sentence; may be empty
  std::function<bool()> stop_requested = {};                // asked before each visit; may be empty
};

// The runner is asked nothing where the table prices no network.
// Errors: as the readers of tables, spaces and networks, make_subjects() and validate().
ValidationReport run_validation(const ValidationOptions& options, runner::Runner& runner, Progress& progress,
                                const ValidationHooks& hooks);

std::string report_json(const ValidationReport& report);

// Predicted against measured times, as SVG. Precondition: a network was measured.
std::string report_plot(const ValidationReport& report);

}  // namespace latgrad::profile
