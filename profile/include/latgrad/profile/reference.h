// The reference network, which runs before and after everything that is timed.
//
//   Reference reference = space_reference(space, search::Precision::kInt8);
//   FlankedTimings timings = measure_flanked(&reference, runner, {.chain = chain, .samples = 3});
//   timings.flanks[s].mean_us();                                // how fast the machine was at sample s
//
// Machines change their speed by tens of percent within seconds: neighbours, clocks, heat. What is timed
// between two runs of one network is compared with those runs, and so is free of the changes that are slower
// than the three together: a time is a ratio, given in microseconds of the reference on the undisturbed
// machine. A table remembers its reference, so that times of another day can be compared with it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/net/net.h"
#include "latgrad/runner/chain.h"
#include "latgrad/runner/runner.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

struct Reference {
  std::string name;
  runner::Chain chain;
  int64_t macs = 0;
  double time_us = 0;  // the sum of its operators on the undisturbed machine; 0: not known
  // For engines that take networks whole, where it is known: of a table of such an engine, of a network at
  // hand.
  std::string onnx = {};
  std::optional<net::Net> net = {};

  bool is_known() const { return time_us > 0; }
};

// What disturbs a machine disturbs networks alike as far as they are alike: sums of operators drift by 1 %
// from one minute to the next against a reference of half their size. So a reference is of the middle. Of a
// space: in each layer the candidate whose multiply-accumulates are nearest to the mean of those offered, the
// first of equals.
search::Architecture reference_architecture(const search::Space& space, search::Precision precision);
Reference space_reference(const search::Space& space, search::Precision precision);
Reference net_reference(std::string name, const net::Net& net);
// Without the operators that the runner cannot run, whose time would not be in the reference's; nothing where
// none is left. A time that is known is kept where nothing had to go. Errors: as Runner::measure.
std::optional<Reference> runnable(Reference reference, runner::Runner& runner);

// By how near they are to the middle by multiply-accumulates, the smaller of two first; without those that
// have no operator.
std::vector<Reference> typical_first(std::vector<Reference> references);

// The reference's times before and after a sample; both 0 where it cannot run.
struct Flanks {
  double before_us = 0;
  double after_us = 0;

  bool are_there() const { return before_us > 0 && after_us > 0; }
  double mean_us() const { return (before_us + after_us) / 2; }
  // How far they are apart, relative to their mean: by so much the speed changed during the sample.
  double disagreement() const;
};

// Each of its times and the next.
std::vector<Flanks> flanks_of(const std::vector<double>& reference_us);

struct FlankedTimings {
  runner::Timings timings;     // of the chain alone
  std::vector<Flanks> flanks;  // [sample]: sums of the reference's operators; none without a reference
};

struct FlankedRequest {
  const runner::Chain& chain;
  int warmup = 1;
  int samples = 1;
  runner::Timing timing = runner::Timing::kOperators;
};

// Runs reference, chain, reference, chain, ... in a row, once more than there are samples: the reference of a
// run is before its sample, that of the next run after it. Where the whole is timed, in turns with runs whose
// operators are timed, the flanks of both are those of the latter: sums of operators, as a table has them.
// Without a reference the chain runs alone. Errors: as Runner::measure.
FlankedTimings measure_flanked(const Reference* reference, runner::Runner& runner,
                               const FlankedRequest& request);

}  // namespace latgrad::profile
