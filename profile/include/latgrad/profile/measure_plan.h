// A space measured in an engine that takes networks whole, until its table is good enough: a few
// architectures, a calibration, those that it asks for, and so on.
//
//   MeasuredPlan measured = measure_plan(space, precision, operators, calibrator, {}, runner,
//                                      {.target = 0.02});
//   measured.architectures;             // with their times
//   measured.error;                     // of the latency of an architecture, at 90 %
//
// The reference is one of the architectures: by its time the others are known on another day, too.

#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/profile/network_timer.h"
#include "latgrad/search/calibrator.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

struct PlanOptions {
  double target = 0.02;  // of `error`
  size_t most = 80;      // architectures, with those that were known before
  size_t batch = 8;      // between two calibrations
  RoundOptions rounds = kNetworkRounds;
};

struct MeasuredArchitecture {
  search::Architecture arch;
  double time_us = 0;
};

struct MeasuredPlan {
  std::vector<MeasuredArchitecture> architectures;  // those that were known, then in the order of the plan
  // Of the latency of an architecture, at 90 %: the mean over the space, relative; infinite before five are
  // measured.
  double error = std::numeric_limits<double>::infinity();
  bool budget_spent = false;
  bool is_exhausted = false;  // the space has no other architecture
  bool stopped = false;
};

struct PlanHooks {
  // After each calibration. May be empty.
  std::function<void(const MeasuredPlan& so_far)> on_calibrated = {};
  // Before each visit: the number of architectures that are known, and the name of the next. May be empty.
  std::function<void(size_t known, const std::string& next, std::optional<double> unsteadiness)> on_visit =
      {};
  std::function<bool()> stop_requested = {};  // may be empty
};

// `known`: measured before; where the reference is among them, times are at its speed then.
// `calibrator` is of the space. Errors: ValueError for options out of range; RunnerError where the engine
// runs neither the reference nor an architecture, with the reason; what the runner throws.
MeasuredPlan measure_plan(const search::Space& space, search::Precision precision,
                          const search::SpaceOperators& operators, const search::Calibrator& calibrator,
                          std::vector<MeasuredArchitecture> known, runner::Runner& runner,
                          const PlanOptions& options, const PlanHooks& hooks = {});

// Half the 90 % interval of the latency itself over the latency: the mean over typical networks.
double space_error(const search::Calibrator& calibrator, const search::OperatorPosterior& posterior);

}  // namespace latgrad::profile
