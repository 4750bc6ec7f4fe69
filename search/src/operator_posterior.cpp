#include "latgrad/search/operator_posterior.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "latgrad/base/error.h"
#include "student_t.h"

namespace latgrad::search {
namespace {

bool are_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

}  // namespace

OperatorPosterior::OperatorPosterior(std::vector<double> times_us, std::vector<double> covariance_us2,
                                     double noise)
    : times_us_(std::move(times_us)), covariance_us2_(std::move(covariance_us2)), noise_(noise) {
  if (covariance_us2_.size() != times_us_.size() * times_us_.size()) {
    throw ValueError(fmt::format("the covariance of {} operators must have {} figures, got {}",
                                 times_us_.size(), times_us_.size() * times_us_.size(),
                                 covariance_us2_.size()));
  }
  if (!are_finite(times_us_) || !are_finite(covariance_us2_) || !std::isfinite(noise_)) {
    throw ValueError("the figures of a posterior must be finite");
  }
  if (noise_ < 0 || std::ranges::any_of(times_us_, [](double time_us) { return time_us < 0; })) {
    throw ValueError("times of operators and their noise must not be negative");
  }
}

double OperatorPosterior::error_us(std::span<const uint32_t> operators) const {
  double variance_us2 = 0;
  for (const uint32_t a : operators) {
    if (a >= times_us_.size()) {
      throw ValueError(fmt::format("an operator must be below {}, got {}", times_us_.size(), a));
    }
    const double* row = covariance_us2_.data() + a * times_us_.size();
    for (const uint32_t b : operators) {
      if (b < times_us_.size()) variance_us2 += row[b];
    }
  }
  return std::sqrt(std::max(0.0, variance_us2));
}

Interval OperatorPosterior::price(std::span<const uint32_t> operators) const {
  const double error_us = this->error_us(operators);
  double mean_us = 0;
  for (const uint32_t op : operators) mean_us += times_us_[op];
  return internal::measured_interval(mean_us, error_us, noise_);
}

double measurement_width(const OperatorPosterior& posterior) {
  const Interval one = internal::measured_interval(1, 0, posterior.noise());
  return one.high_us - 1;
}

}  // namespace latgrad::search
