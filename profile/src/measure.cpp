#include "latgrad/profile/measure.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <random>

namespace latgrad::profile {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::mt19937_64 generator(uint64_t seed, size_t round) {
  std::seed_seq seeds{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                      static_cast<uint32_t>(round)};
  return std::mt19937_64(seeds);
}

class Measurement {
 public:
  Measurement(const Carriers& carriers, std::span<const lut::OperatorKey> operators,
              const Reference* reference, runner::Runner& runner, Journal& journal,
              const RoundOptions& options, const MeasureHooks& hooks)
      : carriers_(carriers),
        num_operators_(operators.size()),
        reference_(reference),
        runner_(runner),
        journal_(journal),
        options_(options),
        hooks_(hooks) {}

  MeasureResult run() {
    while (rounds_.begin(journal_.samples().times(), can_run())) {
      // Each round has its own seed, even in a resumed run.
      std::mt19937_64 random = generator(options_.seed, journal_.samples().visits());
      const std::vector<Carrier> carriers = carriers_.round(rounds_.unsettled(), random);
      if (carriers.empty()) break;  // no network contains the remaining operators
      for (const Carrier& carrier : carriers) {
        if (!rounds_.has_time()) return {.budget_spent = true};
        if (hooks_.stop_requested && hooks_.stop_requested()) return {.stopped = true};
        visit(carrier);
      }
    }
    return {};
  }

 private:
  // By operator. An operator that failed in one place may have run in another.
  std::vector<bool> can_run() const {
    const std::vector<Times> all_times = journal_.samples().all_times();
    std::vector<bool> can_run(num_operators_);
    for (size_t op = 0; op < num_operators_; ++op)
      can_run[op] = journal_.unsupported()[op].empty() || all_times[op].visits() > 0;
    return can_run;
  }

  void visit(const Carrier& carrier) {
    if (hooks_.on_visit) {
      hooks_.on_visit({carrier.name, rounds_.settled(), num_operators_, rounds_.left_s(),
                       journal_.samples().unsteadiness()});
    }
    FlankedTimings flanked = measure_flanked(
        reference_, runner_,
        {.chain = carrier.chain, .warmup = options_.warmup, .samples = options_.samples_per_visit});
    const runner::Timings& timings = flanked.timings;
    std::map<size_t, std::vector<double>> samples_us;  // an operator may occur in several places
    for (size_t i = 0; i < carrier.operators.size(); ++i) {
      if (carrier.operators[i] == kNotPlanned) continue;
      auto op = static_cast<size_t>(carrier.operators[i]);
      if (!timings.unsupported[i].empty()) {
        if (journal_.unsupported()[op].empty()) journal_.add_unsupported(op, timings.unsupported[i]);
        continue;
      }
      std::vector<double>& samples = samples_us[op];
      samples.insert(samples.end(), timings.operators_us[i].begin(), timings.operators_us[i].end());
    }
    VisitSamples visit{.operators = {}, .flanks = std::move(flanked.flanks)};
    for (auto& [op, samples] : samples_us) visit.operators.push_back({op, std::move(samples)});
    if (!visit.operators.empty()) journal_.add_visit(std::move(visit));
  }

  const Carriers& carriers_;
  size_t num_operators_;
  const Reference* reference_;
  runner::Runner& runner_;
  Journal& journal_;
  const RoundOptions& options_;
  const MeasureHooks& hooks_;
  Rounds rounds_{options_};
};

}  // namespace

MeasureResult measure(const Carriers& carriers, std::span<const lut::OperatorKey> operators,
                      const Reference* reference, runner::Runner& runner, Journal& journal,
                      const RoundOptions& options, const MeasureHooks& hooks) {
  return Measurement(carriers, operators, reference, runner, journal, options, hooks).run();
}

Rehearsal rehearse(const Carriers& carriers, std::span<const lut::OperatorKey> operators,
                   const Reference* reference, runner::Runner& runner, const RoundOptions& options) {
  check(options);
  Rehearsal result;
  result.unsupported.resize(operators.size());
  std::mt19937_64 random = generator(options.seed, 0);
  double round_s = 0;
  for (const Carrier& carrier : carriers.round(std::vector<bool>(operators.size(), true), random)) {
    Clock::time_point start = Clock::now();
    const FlankedTimings flanked = measure_flanked(reference, runner, {.chain = carrier.chain, .warmup = 0});
    const runner::Timings& timings = flanked.timings;
    double run_s = 0;
    for (const std::vector<double>& samples_us : timings.operators_us) {
      for (const double sample_us : samples_us) run_s += sample_us / 1e6;
    }
    for (const Flanks& flanks : flanked.flanks) run_s += flanks.mean_us() / 1e6;
    // This timed the preparation and the runs of one sample; a visit has more.
    round_s += seconds_since(start) + (options.warmup + options.samples_per_visit - 1) * run_s;
    for (size_t i = 0; i < carrier.operators.size(); ++i) {
      if (carrier.operators[i] == kNotPlanned || timings.unsupported[i].empty()) continue;
      result.unsupported[static_cast<size_t>(carrier.operators[i])] = timings.unsupported[i];
    }
  }
  result.estimated_s = std::max(round_s, std::min(kUsualRounds * round_s, options.budget_s));
  return result;
}

}  // namespace latgrad::profile
