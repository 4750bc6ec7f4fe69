// Rounds of measurements until each time is known well enough or the time is spent.
//
//   Rounds rounds(options);
//   while (rounds.begin(samples.times(), can_run)) {
//     for (size_t i : in_random_order(rounds.unsettled()))
//       if (rounds.has_time()) visit(i);
//   }
//
// Not synchronised.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "latgrad/profile/samples.h"

namespace latgrad::profile {

// Rounds that settle most medians on a quiet machine; for estimates before any interval is known.
inline constexpr double kUsualRounds = 15;

struct RoundOptions {
  int warmup = 1;                // runs of a whole network before the first sample of each visit
  int samples_per_visit = 3;     // timed runs of a whole network
  double target = 0.02;          // half the 95 % confidence interval of each time, relative
  double budget_s = 150;         // of this run; ends the rounds after the first, which is always finished
  double flank_tolerance = 0.2;  // how far the reference's times around a sample may be apart: samples.h
  uint64_t seed = 0;             // of the architectures, the orders and the resampling
};

// Errors: ValueError for an option out of range.
void check(const RoundOptions& options);

class Rounds {
 public:
  // The time of the budget begins. Errors: as check.
  explicit Rounds(const RoundOptions& options);

  // Begins the next round, given the times of each item so far and whether it can run at all. False when
  // there is nothing more to do: all are settled, the budget is spent, or the maximum number of rounds is
  // reached. O(items). Precondition: both arguments have the same length.
  bool begin(std::span<const Times> times, const std::vector<bool>& can_run);

  // By item: whether this round visits it.
  const std::vector<bool>& unsettled() const { return unsettled_; }
  size_t settled() const { return settled_; }  // the others: known well enough, or unable to run

  // Whether another visit may begin: in the first round always.
  bool has_time();
  bool budget_spent() const { return budget_spent_; }

  // Those that were visited to their end; the last one counts when begin() is called once more.
  size_t done() const { return done_; }
  double elapsed_s() const;
  std::optional<double> left_s() const;  // nothing in the first round

 private:
  RoundOptions options_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool in_round_ = false;
  size_t done_ = 0;
  std::vector<bool> unsettled_;
  size_t settled_ = 0;
  double rounds_left_ = 0;
  bool budget_spent_ = false;
};

}  // namespace latgrad::profile
