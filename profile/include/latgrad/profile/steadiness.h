// How steady a machine is, as its reference network tells, and what would make it steadier.
//
//   std::optional<Steadiness> before = measure_steadiness(reference, runner, /*seconds=*/2);
//   steadiness_text(before->unsteadiness);     // "noisy 31 %"

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "latgrad/profile/network_timer.h"
#include "latgrad/profile/reference.h"
#include "latgrad/runner/runner.h"

namespace latgrad::profile {

struct Steadiness {
  double reference_us = 0;  // on the undisturbed machine: the 10th percentile of its times
  double unsteadiness = 0;  // (p90 - p10) / p50 of its times
};

// Of at least one time.
Steadiness steadiness_of(const std::vector<double>& times_us);

// Runs two copies of the reference in turns for about so long. Nothing where the runner can run none of its
// operators.
// Errors: as Runner::measure.
std::optional<Steadiness> measure_steadiness(const Reference& reference, runner::Runner& runner,
                                             double seconds);
// The same in an engine that takes networks whole. Precondition: timer.reference().
std::optional<Steadiness> measure_steadiness(NetworkTimer& timer, double seconds);

// A word and a number: "noisy 31 %". Up to `steady` the word is "steady", up to four times that "restless".
inline constexpr double kSteady = 0.05;
std::string steadiness_text(double unsteadiness, double steady = kSteady);
// For a line of progress: "noisy 31 %  FBNet-C"; the text alone where nothing is known.
std::string with_steadiness(std::optional<double> unsteadiness, double steady, const std::string& text);

// What would help, one phrase each: "set the clock's governor to performance, it is powersave". `load` is the
// number of processes ready to run on the machine of the runner, nothing where that is not known.
std::vector<std::string> steadiness_advice(const runner::RunnerInfo& runner, std::optional<double> load);

}  // namespace latgrad::profile
