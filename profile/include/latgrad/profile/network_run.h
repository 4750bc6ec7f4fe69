// The operators of a plan by an engine that takes networks whole: which networks to time, their times, and
// what these say of the operators.
//
//   std::vector<Carrier> networks = choose_networks(carriers, 200, seed);
//   measure_networks(networks, timer, journal, options, hooks);
//   Inference inference = infer(plan.operators(), networks, journal, /*target=*/0.01);
//
// The items of the journal are the networks.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/profile/agreement.h"
#include "latgrad/profile/carriers.h"
#include "latgrad/profile/journal.h"
#include "latgrad/profile/measure.h"
#include "latgrad/profile/network_timer.h"

namespace latgrad::profile {

// Distinct ones: all given networks, and up to `most` in all architectures in which the candidates of each
// layer take turns, so that each candidate occurs as often as the others. Fewer than `most` where a space has
// no more.
std::vector<Carrier> choose_networks(const Carriers& carriers, size_t most, uint64_t seed);

// Rounds over all networks in random order until each time is known well enough. Errors: as measure().
MeasureResult measure_networks(std::span<const Carrier> networks, NetworkTimer& timer, Journal& journal,
                               const RoundOptions& options, const MeasureHooks& hooks);

// A network that was timed, and what the others predict for it.
struct InferredFrom {
  std::string name;
  TimePair time;
  size_t visits = 0;
};

struct Inference {
  size_t unsettled = 0;               // networks whose time is not known to the target
  std::vector<double> operators_us;   // by operator of the plan
  std::vector<size_t> networks_with;  // by operator: how many of the networks contain it
  std::vector<InferredFrom> networks;
  Agreement left_out;    // of the times with what the others predict
  double line_mape = 0;  // of the line through physical features alone
};

// Errors: RunnerError where too few networks could run, with the first reason.
Inference infer(std::span<const lut::OperatorKey> operators, std::span<const Carrier> networks,
                const Journal& journal, double target);

}  // namespace latgrad::profile
