// Measures the operators of a plan, round by round, each round in another random order: a burst of noise
// then falls on a few samples of many operators instead of all samples of one.
//
//   Measured measured = measure(plan.operators(), prepare, journal, {.repetitions = 60}, {});
//
// Knows nothing of torch: `prepare` makes an operator callable.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "journal.h"
#include "operator_call.h"

namespace latgrad::profile {

struct MeasureOptions {
  int warmup = 5;                                 // calls before the first sample of each visit
  int repetitions = 200;                          // samples of each operator
  std::optional<double> budget_s = std::nullopt;  // ends the rounds after the first, which is always finished
  uint64_t seed = 0;                              // of the orders
};

// What is about to happen.
struct Visit {
  size_t op = 0;
  size_t done = 0;  // visits behind us, of `total`
  size_t total = 0;
  std::optional<double> left_s = std::nullopt;  // nothing before there is anything to go by
};

struct MeasureHooks {
  std::function<void(const Visit&)> on_visit;  // may be empty
  std::function<bool()> stop_requested;        // asked before each visit; may be empty
};

struct Measured {
  std::vector<std::string> unsupported;  // by operator: why it has no samples; empty for the others
  bool stopped = false;                  // by stop_requested
  bool budget_spent = false;
};

// The samples are in the journal. Operators whose samples it already holds are not visited again.
// Errors: ValueError unless repetitions is 1 to 1,000,000; what the journal and the timer throw.
Measured measure(std::span<const lut::OperatorKey> operators, const Prepare& prepare, Journal& journal,
                 const MeasureOptions& options, const MeasureHooks& hooks);

// What measuring would take, from preparing each operator and calling it once.
struct Rehearsal {
  std::vector<std::string> unsupported;  // as Measured
  double estimated_s = 0;
};

Rehearsal rehearse(std::span<const lut::OperatorKey> operators, const Prepare& prepare,
                   const MeasureOptions& options);

}  // namespace latgrad::profile
