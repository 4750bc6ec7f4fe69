// Measures the operators of a plan inside the networks that carry them, in rounds, until the time of every
// operator is known well enough.
//
//   MeasureResult result =
//       measure(carriers, plan.operators(), &reference, runner, journal, {.target = 0.02}, {});
//
// A round runs every carrier once, in random order, so that a burst of noise hits a few samples of many
// operators instead of all samples of one. The reference runs before and after each sample, which is counted
// as a ratio to it; a sample under which the speed changed does not count (samples.h), and the rounds
// continue until it is replaced.

#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "latgrad/profile/carriers.h"
#include "latgrad/profile/journal.h"
#include "latgrad/profile/rounds.h"
#include "latgrad/runner/runner.h"

namespace latgrad::profile {

// What is about to happen.
struct Visit {
  const std::string& name;  // of the network
  size_t settled = 0;       // operators that have reached the target or cannot run, of `total`
  size_t total = 0;
  std::optional<double> left_s = std::nullopt;        // nothing before there is anything to go by
  std::optional<double> unsteadiness = std::nullopt;  // of the machine so far: Samples::unsteadiness
};

struct MeasureHooks {
  std::function<void(const Visit&)> on_visit;  // may be empty
  std::function<bool()> stop_requested;        // asked before each visit; may be empty
};

struct MeasureResult {
  bool stopped = false;  // by stop_requested
  bool budget_spent = false;
};

// The samples go into the journal; samples that it already holds count.
// Errors: ValueError as check; what the journal and the runner throw.
// `reference` may be null: times then count as they are.
MeasureResult measure(const Carriers& carriers, std::span<const lut::OperatorKey> operators,
                      const Reference* reference, runner::Runner& runner, Journal& journal,
                      const RoundOptions& options, const MeasureHooks& hooks);

// What measuring would take, from running every carrier of one round once.
struct Rehearsal {
  std::vector<std::string> unsupported;  // by operator: why it cannot run; empty for the others
  double estimated_s = 0;                // at most the budget, but never less than the first round
};

Rehearsal rehearse(const Carriers& carriers, std::span<const lut::OperatorKey> operators,
                   const Reference* reference, runner::Runner& runner, const RoundOptions& options);

}  // namespace latgrad::profile
