#include "measure.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

#include "latgrad/lut/error.h"
#include "timer.h"

namespace latgrad::profile {
namespace {

using Clock = std::chrono::steady_clock;

// Enough to pay for preparing the operator, few enough for several rounds.
constexpr int kSamplesPerVisit = 10;

constexpr int kMaxRepetitions = 1'000'000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check(const MeasureOptions& options) {
  if (options.repetitions < 1 || options.repetitions > kMaxRepetitions) {
    throw ValueError("repetitions must be 1 to " + std::to_string(kMaxRepetitions) + ", got " +
                     std::to_string(options.repetitions));
  }
}

int num_rounds(const MeasureOptions& options) {
  return (options.repetitions + kSamplesPerVisit - 1) / kSamplesPerVisit;
}

// How many samples an operator has when the round is over.
size_t samples_after(int round, const MeasureOptions& options) {
  return static_cast<size_t>(std::min((round + 1) * kSamplesPerVisit, options.repetitions));
}

std::vector<size_t> shuffled(size_t size, uint64_t seed, int round) {
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), size_t{0});
  std::seed_seq seeds{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                      static_cast<uint32_t>(round)};
  std::mt19937_64 random(seeds);
  std::shuffle(order.begin(), order.end(), random);
  return order;
}

}  // namespace

Measured measure(std::span<const lut::OperatorKey> operators, const Prepare& prepare, Journal& journal,
                 const MeasureOptions& options, const MeasureHooks& hooks) {
  check(options);
  Measured result;
  result.unsupported.resize(operators.size());
  Visit visit{.total = operators.size() * static_cast<size_t>(num_rounds(options))};
  Clock::time_point start = Clock::now();
  size_t visited = 0;  // in this run, without what the journal held

  for (int round = 0; round < num_rounds(options); ++round) {
    for (size_t op : shuffled(operators.size(), options.seed, round)) {
      size_t wanted = samples_after(round, options);
      size_t had = journal.samples_us(op).size();
      visit.op = op;
      ++visit.done;
      if (had >= wanted || !result.unsupported[op].empty()) continue;

      double elapsed_s = seconds_since(start);
      if (options.budget_s && round > 0 && elapsed_s >= *options.budget_s) {
        result.budget_spent = true;
        return result;
      }
      if (hooks.stop_requested && hooks.stop_requested()) {
        result.stopped = true;
        return result;
      }
      if (hooks.on_visit) {
        if (visited > 0) {
          double left_s =
              elapsed_s / static_cast<double>(visited) * static_cast<double>(visit.total - visit.done + 1);
          visit.left_s =
              options.budget_s ? std::min(left_s, std::max(0.0, *options.budget_s - elapsed_s)) : left_s;
        }
        hooks.on_visit(visit);
      }
      ++visited;
      Prepared prepared = prepare(operators[op]);
      if (const auto* unsupported = std::get_if<Unsupported>(&prepared)) {
        result.unsupported[op] = unsupported->reason;
        continue;
      }
      TimerOptions timer{.warmup = options.warmup, .samples = static_cast<int>(wanted - had)};
      journal.append(op, time_call(std::get<Call>(prepared), timer));
    }
  }
  return result;
}

Rehearsal rehearse(std::span<const lut::OperatorKey> operators, const Prepare& prepare,
                   const MeasureOptions& options) {
  check(options);
  Rehearsal result;
  result.unsupported.resize(operators.size());
  for (size_t op = 0; op < operators.size(); ++op) {
    Clock::time_point start = Clock::now();
    Prepared prepared = prepare(operators[op]);
    double prepare_s = seconds_since(start);
    if (const auto* unsupported = std::get_if<Unsupported>(&prepared)) {
      result.unsupported[op] = unsupported->reason;
      continue;
    }
    TimerOptions once{.warmup = 0, .samples = 1, .min_sample_us = 0};
    double call_us = time_call(std::get<Call>(prepared), once).front();
    double sample_us = std::max(call_us, TimerOptions{}.min_sample_us);
    result.estimated_s += num_rounds(options) * (prepare_s + options.warmup * call_us / 1e6) +
                          options.repetitions * sample_us / 1e6;
  }
  if (options.budget_s) {
    double first_round_s = result.estimated_s / num_rounds(options);
    result.estimated_s = std::min(result.estimated_s, std::max(first_round_s, *options.budget_s));
  }
  return result;
}

}  // namespace latgrad::profile
