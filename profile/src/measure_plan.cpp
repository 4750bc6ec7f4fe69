#include "latgrad/profile/measure_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/base/random.h"
#include "latgrad/profile/carriers.h"
#include "latgrad/profile/reference.h"
#include "latgrad/profile/samples.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/random_architecture.h"

namespace latgrad::profile {
namespace {

constexpr size_t kPool = 1000;
constexpr size_t kMostTried = 4;  // times as many as may be measured; the engine may refuse some
constexpr size_t kFewestForAnError = 5;
constexpr int kVisits = 6;  // the fewest from which an error is known

class PlanMeasurement {
 public:
  PlanMeasurement(const search::Space& space, search::Precision precision,
                  const search::SpaceOperators& operators, const search::Calibrator& calibrator,
                  std::vector<MeasuredArchitecture> known, runner::Runner& runner, const PlanOptions& options,
                  const PlanHooks& hooks)
      : space_(space),
        precision_(precision),
        operators_(operators),
        calibrator_(calibrator),
        options_(options),
        hooks_(hooks),
        random_(options.rounds.seed),
        timer_({space_reference(space, precision)}, runner),
        known_(std::move(known)),
        samples_(kMostTried * options.most,
                 {.flank_tolerance = options.rounds.flank_tolerance, .reference_us = known_reference_us()}) {
    if (!timer_.reference()) throw runner::RunnerError(timer_.unsupported_reference());
  }

  MeasuredPlan run() {
    if (known_.empty()) measure_reference();
    add_known();
    while (!result_.stopped && !result_.is_exhausted) {
      if (result_.architectures.size() >= kFewestForAnError) {
        const std::vector<search::TimedNetwork> networks = timed();
        result_.error = space_error(calibrator_, calibrator_.calibrate(networks).posterior);
        if (hooks_.on_calibrated) hooks_.on_calibrated(result_);
        if (result_.error <= options_.target || result_.architectures.size() >= options_.most) break;
      }
      if (elapsed_s() > options_.rounds.budget_s) {
        result_.budget_spent = true;
        break;
      }
      measure_batch();
    }
    return std::move(result_);
  }

 private:
  double known_reference_us() const {
    const search::Architecture arch = reference_architecture(space_, precision_);
    for (const MeasuredArchitecture& one : known_) {
      if (one.arch == arch) return one.time_us;
    }
    return 0;
  }

  double elapsed_s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  std::vector<search::TimedNetwork> timed() const {
    std::vector<search::TimedNetwork> networks;
    for (const MeasuredArchitecture& one : result_.architectures) {
      networks.push_back({operators_.of(one.arch), one.time_us});
    }
    return networks;
  }

  // Its ratio to itself is 1: what is measured is its time on the undisturbed machine.
  void measure_reference() {
    archs_.push_back(reference_architecture(space_, precision_));
    for (int i = 0; i < kVisits; ++i) visit(0);
    if (!unsupported_.empty()) throw runner::RunnerError(unsupported_);
  }

  void add_known() {
    result_.architectures = known_;
    const std::vector<Times> times = samples_.times();
    const std::vector<Times> all_times = samples_.all_times();
    for (size_t i = 0; i < archs_.size(); ++i) {
      const Times& of = times[i].visits() > 0 ? times[i] : all_times[i];
      if (of.visits() > 0) result_.architectures.push_back({archs_[i], of.centre().value_us});
    }
  }

  void visit(size_t i) {
    if (hooks_.on_visit) {
      hooks_.on_visit(result_.architectures.size(), architecture_name(space_, archs_[i]),
                      samples_.unsteadiness());
    }
    NetworkVisit visit = timer_.time(search::lower(space_, archs_[i], precision_), options_.rounds);
    if (visit.unsupported.empty()) {
      samples_.add_visit({.operators = {{i, std::move(visit.total_us)}}, .flanks = std::move(visit.flanks)});
    } else {
      unsupported_ = visit.unsupported;
    }
  }

  void measure_batch() {
    const size_t room = options_.most - result_.architectures.size();
    const size_t wanted = std::min(options_.batch, room);
    if (archs_.size() + wanted > kMostTried * options_.most) throw runner::RunnerError(unsupported_);
    std::set<search::Architecture> seen(archs_.begin(), archs_.end());
    for (const MeasuredArchitecture& one : known_) seen.insert(one.arch);
    std::vector<search::Architecture> pool;
    std::vector<std::vector<uint32_t>> asked;
    for (size_t i = 0; i < kPool; ++i) {
      search::Architecture arch = search::random_architecture(space_, random_);
      if (!seen.insert(arch).second) continue;
      asked.push_back(operators_.of(arch));
      pool.push_back(std::move(arch));
    }
    result_.is_exhausted = pool.empty();
    const size_t first = archs_.size();
    for (const size_t i : calibrator_.plan(timed(), asked, wanted)) archs_.push_back(pool[i]);
    std::vector<size_t> order;
    for (size_t i = first; i < archs_.size(); ++i) order.push_back(i);
    for (int round = 0; round < kVisits; ++round) {
      base::shuffle(order, random_);
      for (const size_t i : order) {
        result_.stopped = hooks_.stop_requested && hooks_.stop_requested();
        if (result_.stopped) return;  // a batch is whole, or it does not count
        visit(i);
      }
    }
    const size_t before = result_.architectures.size();
    add_known();
    if (result_.architectures.size() == before && !unsupported_.empty())
      throw runner::RunnerError(unsupported_);
  }

  const search::Space& space_;
  const search::Precision precision_;
  const search::SpaceOperators& operators_;
  const search::Calibrator& calibrator_;
  const PlanOptions& options_;
  const PlanHooks& hooks_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mt19937_64 random_;
  NetworkTimer timer_;
  std::vector<MeasuredArchitecture> known_;
  std::vector<search::Architecture> archs_;  // measured here
  Samples samples_;                          // by entry of archs_
  std::string unsupported_;                  // the last reason
  MeasuredPlan result_;
};

}  // namespace

MeasuredPlan measure_plan(const search::Space& space, search::Precision precision,
                          const search::SpaceOperators& operators, const search::Calibrator& calibrator,
                          std::vector<MeasuredArchitecture> known, runner::Runner& runner,
                          const PlanOptions& options, const PlanHooks& hooks) {
  check(options.rounds);
  if (!(options.target > 0))
    throw ValueError(fmt::format("the target must be positive, got {}", options.target));
  if (options.batch == 0) throw ValueError("a batch must have an architecture");
  if (options.most <= known.size() || options.most < kFewestForAnError) {
    throw ValueError(
        fmt::format("more architectures must be allowed than the {} that are known, and {} at least, got {}",
                    known.size(), kFewestForAnError, options.most));
  }
  return PlanMeasurement(space, precision, operators, calibrator, std::move(known), runner, options, hooks)
      .run();
}

double space_error(const search::Calibrator& calibrator, const search::OperatorPosterior& posterior) {
  double sum = 0;
  for (const std::vector<uint32_t>& operators : calibrator.typical()) {
    const double mean_us = posterior.price(operators).mean_us;
    if (mean_us > 0) sum += search::kNormal90 * posterior.error_us(operators) / mean_us;
  }
  return sum / static_cast<double>(calibrator.typical().size());
}

}  // namespace latgrad::profile
