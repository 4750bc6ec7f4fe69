// One run of the profiler, from the options to the table on disk: plan, measure, write.

#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/profile/measure.h"
#include "latgrad/profile/network_run.h"
#include "latgrad/profile/networks.h"
#include "latgrad/profile/plan.h"
#include "latgrad/profile/progress.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/steadiness.h"
#include "latgrad/runner/runner.h"

namespace latgrad::profile {

inline constexpr size_t kInferredFrom = 80;

struct Options {
  std::vector<std::filesystem::path> spaces = {};
  NetFiles networks = {};
  std::vector<NamedNet> nets = {};  // that are read already
  std::vector<search::Precision> precisions = {};
  std::optional<std::filesystem::path> lut = {};
  std::filesystem::path output;  // empty: <device>-op_lut_database.json
  std::string device;            // empty: named after the runner's CPU and engine
  std::string device_suffix;     // of that name, where several runners have one
  std::filesystem::path folder;  // of an output without a name
  runner::RunnerSettings runner;
  std::string runner_command;  // for the provenance
  bool runs_here = false;      // the runner: this machine's load is its load
  RoundOptions measure;
  size_t num_networks = kInferredFrom;  // that an engine of whole networks times, at most
  double steady = kSteady;              // up to this unsteadiness the machine is called steady
  bool force = false;                   // puts records of different machines or engines into one table
};

// What run() and dry_run() check first. Errors: ValueError for a name that would not do in a file name and in
// a JSON record.
void check_device(const std::string& name);
// Errors: ValueError for a folder, which would fail only after the measurement, and for a name that promises
// a packed file.
void check_output(const std::string& path);

// An operator whose time is known less precisely than requested.
struct UnsettledOperator {
  std::string description;
  std::optional<double> relative_error;  // nothing: fewer than six visits
};

struct RunResult {
  std::string device;
  std::filesystem::path output;
  runner::RunnerInfo runner;
  std::vector<MissingOperator> missing;
  std::vector<UnsettledOperator> unsettled;
  size_t planned = 0;  // distinct operators that the table to extend lacked
  size_t measured = 0;
  size_t known = 0;  // needed, and held by the table to extend
  size_t visits = 0;
  size_t samples = 0;                       // of whole networks
  size_t discarded_samples = 0;             // the machine changed its speed under them
  std::optional<Reference> reference = {};  // nothing: the runner cannot run it, or there was none
  double reference_now_us = 0;              // its time in this run; 0: it did not run
  std::optional<double> unsteadiness = {};  // Samples::unsteadiness
  std::vector<std::string> advice = {};     // what would make the machine steadier, where it is not steady
  double elapsed_s = 0;
  std::optional<double> median_spread = {};  // of the operators' (p90 - p10) / p50; nothing: inferred
  std::optional<Inference> inference = {};   // by an engine of whole networks: what the table comes from
  bool stopped = false;                      // interrupted: nothing is written but the journal
  bool budget_spent = false;
};

// Errors: as the readers of spaces, networks and tables, measure() and the writers; ValueError for an --input
// that no network has, and for a table to extend that comes from another machine or engine, unless forced.
RunResult run(const Options& options, runner::Runner& runner, Progress& progress,
              const std::function<bool()>& stop_requested);

// The same plan without measuring: the operators, and the seconds that measuring them would take.
struct DryRunResult {
  std::string device;
  std::vector<std::string> operators;  // described
  size_t known = 0;
  std::vector<MissingOperator> missing;
  std::optional<double> estimated_s;  // nothing without a runner
};

// `runner` may be null: then the operators are listed for this machine, without an estimate.
DryRunResult dry_run(const Options& options, runner::Runner* runner);

}  // namespace latgrad::profile
