// One run of the profiler, from the options to the table on disk: plan, measure, write.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "options.h"
#include "plan.h"
#include "progress.h"

namespace latgrad::profile {

// What measures the operators.
struct Kernels {
  Prepare prepare;
  std::string torch_version;
};

struct RunResult {
  std::vector<MissingOperator> missing;
  size_t planned = 0;  // distinct operators that the table to extend lacked
  size_t measured = 0;
  size_t known = 0;  // needed, and held by the table to extend
  double elapsed_s = 0;
  double median_spread = 0;  // of the operators' (p90 - p10) / p50
  bool stopped = false;      // interrupted: nothing is written but the journal
  bool budget_spent = false;
};

// The operators that the options ask for and that the table to extend lacks.
// Errors: as the readers of spaces, networks and tables; ValueError for an --input that no network has.
Plan make_plan(const Options& options);

// Errors: as make_plan, measure and the writers.
RunResult run(const Options& options, const Kernels& kernels, Progress& progress,
              const std::function<bool()>& stop_requested);

// The same plan without measuring: the operators, and the seconds that measuring them would take.
struct DryRunResult {
  Plan plan;
  std::vector<MissingOperator> missing;
  double estimated_s = 0;
};
DryRunResult dry_run(const Options& options, const Kernels& kernels);

// For standard output: text for people, or one JSON document.
std::string report(const Options& options, const RunResult& result);
std::string report(const Options& options, const DryRunResult& result);

}  // namespace latgrad::profile
