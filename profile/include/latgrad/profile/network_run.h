// The operators of a plan by an engine that takes networks whole: which networks to time, their times, and
// what these say of the operators.
//
//   std::vector<Carrier> networks = choose_networks(carriers, 200, seed);
//   measure_networks(networks, timer, journal, options, hooks);
//   Inference inference = infer(networks, carriers.of_one_space(), journal, /*target=*/0.01);
//
// The items of the journal are the networks.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "latgrad/profile/agreement.h"
#include "latgrad/profile/carriers.h"
#include "latgrad/profile/journal.h"
#include "latgrad/profile/measure.h"
#include "latgrad/profile/network_timer.h"
#include "latgrad/search/operator_posterior.h"

namespace latgrad::profile {

// Distinct ones: all given networks, and up to `most` with those architectures, among many in which the
// candidates of each layer take turns, that tell most of all of them; each candidate occurs, if `most` allows
// it. Fewer than `most` where a space has no more.
std::vector<Carrier> choose_networks(const Carriers& carriers, size_t most, uint64_t seed);

// A table says nothing of a space with fewer.
inline constexpr size_t kFewestNetworks = 10;

// Rounds over all networks in random order until each time is known well enough. Errors: as measure().
MeasureResult measure_networks(std::span<const Carrier> networks, NetworkTimer& timer, Journal& journal,
                               const RoundOptions& options, const MeasureHooks& hooks);

// A network that was timed, and what the others predict for it.
struct InferredFrom {
  std::string name;
  TimePair time;
  double low_us = 0;  // nine of ten measured times lie from here
  double high_us = 0;
  size_t visits = 0;
};

struct Inference {
  size_t unsettled = 0;               // networks whose time is not known to the target
  std::vector<size_t> operators;      // those of the plan that a network has, ascending
  std::vector<size_t> networks_with;  // by entry of `operators`: how many of the networks contain it
  search::OperatorPosterior posterior = {{}, {}, 0};  // the same
  std::vector<InferredFrom> networks;
  Agreement left_out;  // of the times with what the others predict
  size_t covered = 0;  // how many times are inside their interval
};

// Errors: RunnerError where too few networks could run, with the first reason.
Inference infer(std::span<const Carrier> networks, bool of_one_space, const Journal& journal, double target);

}  // namespace latgrad::profile
