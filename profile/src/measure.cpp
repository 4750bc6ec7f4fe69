#include "measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <random>

#include "latgrad/lut/error.h"

namespace latgrad::profile {
namespace {

using Clock = std::chrono::steady_clock;

// Rounds that settle most operators of a quiet machine; for the estimate before anything is measured.
constexpr double kUsualRounds = 15;

// No run is longer, so that an operator whose median cannot settle does not hold a run with a generous
// budget.
constexpr size_t kMaxRounds = 1000;

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
  Measurement(const Carriers& carriers, std::span<const lut::OperatorKey> operators, Runner& runner,
              Journal& journal, const MeasureOptions& options, const MeasureHooks& hooks)
      : carriers_(carriers),
        num_operators_(operators.size()),
        runner_(runner),
        journal_(journal),
        options_(options),
        hooks_(hooks) {}

  MeasureResult run() {
    while (rounds_done_ < kMaxRounds && run_round()) ++rounds_done_;
    return result_;
  }

 private:
  // False when there is nothing more to do.
  bool run_round() {
    std::vector<bool> needed = unsettled();
    // Another seed for each round, also of a run that is resumed.
    std::mt19937_64 random = generator(options_.seed, journal_.samples().visits());
    std::vector<Carrier> carriers = carriers_.round(needed, random);
    for (const Carrier& carrier : carriers) {
      if (ends_here()) return false;
      visit(carrier);
    }
    return !carriers.empty();
  }

  double elapsed_s() const { return seconds_since(start_); }

  // The operators that need more samples; also recomputes how long it may take.
  std::vector<bool> unsettled() {
    std::vector<Times> times = journal_.samples().times();
    std::vector<Times> all_times = journal_.samples().all_times();
    std::vector<bool> needed(num_operators_, false);
    settled_ = 0;
    rounds_left_ = 0;
    for (size_t op = 0; op < num_operators_; ++op) {
      std::optional<double> error = times[op].relative_error();
      // An operator that could not run in one place may have run in another.
      bool runs = journal_.unsupported()[op].empty() || all_times[op].visits() > 0;
      needed[op] = runs && !(error && *error <= options_.target);
      if (!needed[op]) {
        ++settled_;
        continue;
      }
      // The interval shrinks with the root of the number of visits; an operator has at least one a round.
      double visits = std::max<double>(1, static_cast<double>(times[op].visits()));
      double wanted =
          error ? visits * std::pow(*error / options_.target, 2) : std::max(visits + 1, kUsualRounds);
      rounds_left_ = std::max(rounds_left_, wanted - visits);
    }
    return needed;
  }

  bool ends_here() {
    if (rounds_done_ > 0 && elapsed_s() >= options_.budget_s) {
      result_.budget_spent = true;
      return true;
    }
    if (hooks_.stop_requested && hooks_.stop_requested()) {
      result_.stopped = true;
      return true;
    }
    return false;
  }

  std::optional<double> left_s() const {
    if (rounds_done_ == 0) return std::nullopt;
    double left = rounds_left_ * elapsed_s() / static_cast<double>(rounds_done_);
    return std::clamp(options_.budget_s - elapsed_s(), 0.0, left);
  }

  void visit(const Carrier& carrier) {
    if (hooks_.on_visit) hooks_.on_visit({carrier, settled_, num_operators_, left_s()});
    Timings timings = runner_.measure(
        {.chain = carrier.chain, .warmup = options_.warmup, .samples = options_.samples_per_visit});
    std::map<size_t, std::vector<double>> samples_us;  // one operator may stand in several places
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
    std::vector<OperatorSamples> visit;
    for (auto& [op, samples] : samples_us) visit.push_back({op, std::move(samples)});
    if (!visit.empty()) journal_.add_visit(std::move(visit));
  }

  const Carriers& carriers_;
  size_t num_operators_;
  Runner& runner_;
  Journal& journal_;
  const MeasureOptions& options_;
  const MeasureHooks& hooks_;

  MeasureResult result_;
  Clock::time_point start_ = Clock::now();
  size_t rounds_done_ = 0;
  size_t settled_ = 0;
  double rounds_left_ = 0;
};

}  // namespace

void check(const MeasureOptions& options) {
  auto refuse = [](std::string_view rule, double value) {
    throw ValueError(fmt::format("{}, got {}", rule, value));
  };
  if (options.warmup < 0) refuse("warmup must not be negative", options.warmup);
  if (options.samples_per_visit < 1)
    refuse("samples per visit must be at least 1", options.samples_per_visit);
  if (!(options.target > 0)) refuse("target must be positive", options.target);
  if (!(options.budget_s > 0)) refuse("budget must be positive", options.budget_s);
  if (!(options.drift_tolerance > 0)) refuse("drift tolerance must be positive", options.drift_tolerance);
}

MeasureResult measure(const Carriers& carriers, std::span<const lut::OperatorKey> operators, Runner& runner,
                      Journal& journal, const MeasureOptions& options, const MeasureHooks& hooks) {
  check(options);
  return Measurement(carriers, operators, runner, journal, options, hooks).run();
}

Rehearsal rehearse(const Carriers& carriers, std::span<const lut::OperatorKey> operators, Runner& runner,
                   const MeasureOptions& options) {
  check(options);
  Rehearsal result;
  result.unsupported.resize(operators.size());
  std::mt19937_64 random = generator(options.seed, 0);
  double round_s = 0;
  for (const Carrier& carrier : carriers.round(std::vector<bool>(operators.size(), true), random)) {
    Clock::time_point start = Clock::now();
    Timings timings =
        runner.measure({.chain = carrier.chain, .warmup = 0, .samples = 1, .timing = Timing::kWhole});
    double run_s = timings.total_us.front() / 1e6;
    // Preparing and one run were timed here; a visit has more runs.
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
