// How well predicted times agree with measured ones.
//
//   Agreement a = agreement({{.measured_us = 20000, .predicted_us = 19600}, ...});
//   a.mape;      // 0.02: they are off by 2 % on average, either way
//   a.bias;      // -0.02: they are too low by 2 % on average
//   a.tau;       // 1: they order the networks as the measurement does
//
// Errors are relative to what was measured: -0.02 is a prediction that is 2 % too low. All figures are
// fractions. O(resamples * n log n). Thread-safe: no state.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace latgrad::profile {

struct TimePair {
  double measured_us = 0;
  double predicted_us = 0;

  double error() const { return predicted_us / measured_us - 1; }
};

struct Bounds {
  double low = 0;
  double high = 0;
};

struct Agreement {
  size_t pairs = 0;
  double mape = 0;              // mean absolute error
  double bias = 0;              // mean signed error
  size_t worst = 0;             // index of the pair with the largest absolute error, the first of equals
  double worst_error = 0;       // signed
  size_t within_5_percent = 0;  // how many pairs have an error of at most 5 %
  size_t within_10_percent = 0;
  std::optional<double> tau;  // as kendall_tau

  // 95 %, by resampling the pairs: how the figures would vary over other networks of the same kind, not how
  // well each time is known. Nothing for fewer than two pairs, or where tau was never defined.
  std::optional<Bounds> mape_interval;
  std::optional<Bounds> tau_interval;
};

inline constexpr int kResamples = 2000;

// Errors: ValueError without pairs, for a measured time that is not positive and finite, a predicted one that
// is negative or not finite.
// Source: Efron, "Bootstrap methods: another look at the jackknife", 1979: the percentile interval.
Agreement agreement(std::span<const TimePair> pairs, uint64_t seed = 0);

// Kendall's tau-b, from -1 (the opposite order) to 1 (the same order); ties take from both sides. Nothing
// where all measured or all predicted times are equal, so also for fewer than two pairs.
// Precondition: no NaN. Source: Knight, "A computer method for calculating Kendall's tau with ungrouped
// data", 1966; O(n log n).
std::optional<double> kendall_tau(std::span<const TimePair> pairs);

}  // namespace latgrad::profile
