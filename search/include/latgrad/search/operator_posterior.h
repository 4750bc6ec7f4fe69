// What is known of the times of operators: their means, and how these err together.
//
//   Interval price = posterior.price(operators);       // of a network, from a sum that knows the covariance
//   posterior.times_us()[7];
//
// Prices are linear in the operators, and so are their means; errors of operators that measured networks
// cannot tell apart cancel in the sum. Immutable: any number of threads may read it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace latgrad::search {

// Nine of ten normal errors lie within so many standard deviations.
inline constexpr double kNormal90 = 1.6448536269514722;

// Where nine of ten times lie.
struct Interval {
  double mean_us = 0;
  double low_us = 0;  // not negative
  double high_us = 0;
};

class OperatorPosterior {
 public:
  // `covariance_us2`: [operators, operators], row-major. `noise`: the scale of the errors of measured times,
  // as a share of them.
  // Errors: ValueError for lengths that do not fit, figures that are not finite, times or noise below 0.
  OperatorPosterior(std::vector<double> times_us, std::vector<double> covariance_us2, double noise);

  // Means; not negative.
  const std::vector<double>& times_us() const { return times_us_; }
  std::span<const double> covariance_us2() const { return covariance_us2_; }
  double noise() const { return noise_; }

  // Standard deviation of a sum; an operator that occurs twice is there twice. O(operators^2) of the network.
  // Errors: ValueError for an operator out of range.
  double error_us(std::span<const uint32_t> operators) const;
  // The sum, and the interval of its measured time: the error of the sum and that of a measurement.
  // Errors: ValueError for an operator out of range.
  Interval price(std::span<const uint32_t> operators) const;

 private:
  std::vector<double> times_us_;
  std::vector<double> covariance_us2_;
  double noise_;
};

// Half the interval of a time that is known exactly, when it is measured: a share of it.
double measurement_width(const OperatorPosterior& posterior);

}  // namespace latgrad::search
