// Measures whole networks and compares them with the sums over a table.
//
//   Subjects subjects = make_subjects({.space = &space, .random = 20}, &table, {.device = device});
//   ValidateResult result = validate(subjects.priced, &reference, runner, {.target = 0.01, .budget_s = 60});
//   result.agreement->mape;
//
// Networks are timed from end to end, operator by operator or in an engine that takes them whole, in rounds
// over all of them in random order, between runs of the reference network (reference.h): times are ratios to
// it. Each visit of a network is one independent value. Rounds continue with the networks whose time is not
// yet known well enough, until all are known, which takes at least six rounds, or the budget is spent.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "latgrad/lut/estimate.h"
#include "latgrad/net/net.h"
#include "latgrad/profile/agreement.h"
#include "latgrad/profile/network_timer.h"
#include "latgrad/profile/networks.h"
#include "latgrad/profile/rounds.h"
#include "latgrad/profile/statistics.h"
#include "latgrad/runner/chain.h"
#include "latgrad/runner/runner.h"
#include "latgrad/search/operator_posterior.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

// A network that the table prices, or that is only measured.
struct Subject {
  std::string name;
  bool from_space = false;  // an architecture of the space, not a given network
  runner::Chain chain;
  std::optional<double> predicted_us;
  std::optional<search::Interval> predicted = std::nullopt;  // of a table with a posterior
  std::vector<double> operators_us;  // by operator of the chain; the prediction is their sum
  net::Net net;
};

// A network that the table cannot price because it lacks these operators.
struct UnpricedSubject {
  std::string name;
  std::vector<lut::OperatorKey> missing;
  std::vector<std::string> unknown_types;  // of operators whose shapes are not known
};

struct Subjects {
  std::vector<Subject> priced;
  std::vector<UnpricedSubject> unpriced;
};

struct SubjectOptions {
  std::span<const NamedNet> nets = {};
  const search::Space* space = nullptr;  // null: none
  search::Precision precision = search::Precision::kInt8;
  bool named = false;  // the architectures that the space's file names
  size_t random = 0;   // architectures, uniform over what each layer offers
  uint64_t seed = 0;
};

// The networks, the named architectures, then the random ones; no architecture twice, so that a small space
// gives fewer than requested. An architecture has a name that `latgrad arch` accepts: its name in the file,
// its digits, or its blocks. `table` may be null: they are
// then only measured; `posterior` may be null, too. Errors: NetError as net::infer_shapes, but not for an
// operator of unknown type; ValueError as lut::estimate.
Subjects make_subjects(const SubjectOptions& options, const lut::Table* table,
                       const lut::EstimateOptions& pricing,
                       const search::OperatorPosterior* posterior = nullptr);

// The default rounds for whole networks, of which there are fewer than operators.
inline constexpr RoundOptions kValidateRounds{.target = 0.01, .budget_s = 120};

// A network that was measured.
struct ValidatedNet {
  std::string name;
  bool from_space = false;
  TimePair time;  // measured: the centre of the visits; predicted: 0 without a table
  std::optional<search::Interval> predicted = std::nullopt;  // of a table with a posterior
  size_t visits = 0;
  // 95 %, of the centre; nothing for fewer than six visits.
  std::optional<Interval> interval;
  std::optional<double> relative_error;  // half the interval over the time, as the target
  double nodes_us = 0;  // the sum of the engine's own times by node, at the speed of the reference; 0: none
};

// A network that the runner cannot run as a whole.
struct UnmeasuredNet {
  std::string name;
  std::vector<std::string> reasons;  // each once: "no kernel for operator type Softmax: Softmax [1,1000]"
};

struct ValidateResult {
  std::vector<ValidatedNet> nets;  // in the order of the subjects
  std::vector<UnmeasuredNet> unmeasured;
  std::optional<Agreement> agreement;  // of nets; nothing where none was measured
  // How many measured times are inside the table's 90 % interval; nothing for a table without a posterior.
  std::optional<size_t> covered = std::nullopt;
  // The same for the mean times of this run, of networks and of operators instead of the table's: how well
  // sums of operators predict networks on a machine whose speed may have changed since the table was
  // measured. Nothing where no operators were timed.
  std::optional<Agreement> agreement_now;
  // The median ratio of an operator's time in this run to its time in the table: 1.05 on a machine that is 5
  // % slower than when the table was measured. Nothing where no operators were timed.
  std::optional<double> operators_now;
  size_t rounds = 0;
  size_t runs = 0;                          // of whole networks, timed
  size_t discarded_runs = 0;                // the machine changed its speed under them
  std::optional<Reference> reference = {};  // nothing: the runner cannot run it, or there is none
  double reference_now_us = 0;  // of this run; its time_us is that of the table's, if that has one
  std::optional<double> unsteadiness = {};  // Samples::unsteadiness
  double elapsed_s = 0;
  bool budget_spent = false;
  bool stopped = false;  // by stop_requested
};

// `settled` of `total` networks are known well enough or cannot run; `next` is measured now.
struct ValidateVisit {
  const Subject& next;
  size_t settled = 0;
  size_t total = 0;
  std::optional<double> left_s;                       // nothing before the first round is done
  std::optional<double> unsteadiness = std::nullopt;  // of the machine so far
};

struct ValidateHooks {
  std::function<void(const ValidateVisit&)> on_visit = {};  // may be empty
  std::function<bool()> stop_requested = {};                // asked before each visit; may be empty
};

// `reference` may be null: times then count as they are. A run that is stopped says so and gives nothing
// else. Precondition: the runner is open.
// Errors: ValueError for an option out of range; what the runner throws.
ValidateResult validate(std::span<const Subject> subjects, const Reference* reference, runner::Runner& runner,
                        const RoundOptions& options, const ValidateHooks& hooks = {});
// The same in an engine that takes networks whole. `nodes`: also asks it for its own times, node by node.
ValidateResult validate(std::span<const Subject> subjects, NetworkTimer& timer, const RoundOptions& options,
                        const ValidateHooks& hooks = {}, bool nodes = false);

}  // namespace latgrad::profile
