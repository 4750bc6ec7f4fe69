// Times whole networks in an engine that takes them whole, each between runs of the reference network.
//
//   NetworkTimer timer(typical_first(references), runner);
//   NetworkVisit visit = timer.time(net, {.warmup = 1, .samples_per_visit = 5});
//   visit.total_us[s] / visit.flanks[s].mean_us();
//
// The engine gets ONNX without weights. A network is loaded anew for every visit, and the reference for every
// few, so that their memory lies elsewhere each time: loaded once, the reference alone made all ratios of one
// run 3.6 % larger than those of another. An engine holds two networks at once at most.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "latgrad/net/net.h"
#include "latgrad/profile/reference.h"
#include "latgrad/profile/rounds.h"
#include "latgrad/runner/runner.h"

namespace latgrad::profile {

// The default rounds of engines that take networks whole: a network is ready only after a hundred
// milliseconds, and has no operators whose visits would be many.
inline constexpr RoundOptions kNetworkRounds{.samples_per_visit = 8, .target = 0.01, .budget_s = 450};

// What a runner times.
enum class Timed {
  kOperators,  // chains of operators, operator by operator and as a whole
  kNetworks,   // ONNX models as a whole
};
// What this one does: operators, if it times both.
Timed timed_by(const runner::RunnerInfo& runner);

struct NetworkVisit {
  std::string unsupported = {};  // why it cannot run; empty if it can
  double nodes_us = 0;           // the sum of what the engine itself measured; 0: nothing
  std::vector<double> total_us = {};
  std::vector<Flanks> flanks = {};  // [sample]; none without a reference
};

class NetworkTimer {
 public:
  // Loads the first of these references that the engine can run; without one, times come without flanks.
  // `runner` outlives the object. Errors: as Runner::load.
  NetworkTimer(const std::vector<Reference>& references, runner::Runner& runner);

  // The one that runs, with its model.
  const std::optional<Reference>& reference() const { return reference_; }
  // A sentence on why the first one does not; empty where it does, or there was none.
  const std::string& unsupported_reference() const { return unsupported_reference_; }

  // `nodes`: also asks the engine for its own times. Errors: as Runner::time.
  NetworkVisit time(const net::Net& net, const RoundOptions& options, bool nodes = false);
  // The reference against itself, for so many samples. Precondition: reference().
  std::vector<double> time_reference(int samples);

 private:
  runner::Runner& runner_;
  std::optional<Reference> reference_;
  std::string unsupported_reference_;
  size_t visits_ = 0;
};

}  // namespace latgrad::profile
