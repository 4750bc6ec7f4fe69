// The times of operators from the times of a few whole networks, with error bars.
//
//   CalibrationData data = ...;                       // what operators do, which networks took how long
//   Calibration calibration = calibrate(data);
//   Interval price = calibration.posterior.price(data.networks[3].operators);
//   price.mean_us, price.low_us, price.high_us;       // where nine of ten measured networks lie
//
// The model. The time of a network is the sum over its operators. The time of an operator is a line through
// its physical totals and through its times on other devices, and a deviation of its own; all of these are
// Gaussian, with one variance for each kind. Errors of measured times are Student-t, so that a few wild ones
// do not matter. The variances have log-normal priors, fixed beforehand on other devices
// (docs/calibration.md), and are integrated over by slice sampling: the result is the mean and the covariance
// over all of them.
//
// With fewer networks than operators O(networks^3) for each sample, else O(operators^3); linear in the
// networks beyond. Deterministic under a seed; thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "latgrad/search/operator_posterior.h"
#include "latgrad/search/physical_totals.h"

namespace latgrad::search {

struct TimedNetwork {
  std::vector<uint32_t> operators;  // that it consists of; one that occurs twice is there twice
  double time_us = 0;
};

struct CalibrationData {
  std::vector<PhysicalTotals> physical = {};         // by operator
  std::vector<std::vector<double>> sources_us = {};  // [other device, operator]
  // By operator: what it should take by itself, of which only the deviation is inferred; empty: nothing.
  std::vector<double> expected_us = {};
  // Networks like those that will be priced: they say what a large deviation is. May repeat `networks`.
  std::vector<std::vector<uint32_t>> typical = {};
  std::vector<TimedNetwork> networks = {};
  // They are architectures of one space: what all of them have in common takes whatever makes their mean
  // right, and only differences say something of operators. Otherwise networks may be of any size, and each
  // operator accounts for itself.
  bool of_one_space = true;
};

struct Calibration {
  OperatorPosterior posterior;
  // By network: what the others say of it, with the variances of all; and nine of ten times around that.
  std::vector<Interval> left_out;
};

// Times that are all multiples of one step, such as whole milliseconds, are taken to be rounded to it.
// Errors: ValueError for no networks, no operators, lists of different lengths, times that are not positive,
// figures that are negative or not finite, operators out of range.
// Sources: Rasmussen, Williams, "Gaussian processes for machine learning", 2006, 2.7 and 5.4; Murray, Adams,
// MacKay, "Elliptical slice sampling", 2010; the deviations and errors of linear smoothers left out: 5.4.2.
Calibration calibrate(const CalibrationData& data, uint64_t seed = 0);

// What is known before any network is measured, in some unit: the covariance, with times of 0 but for a
// level. `data.networks` is not read. Errors: as calibrate().
OperatorPosterior prior_of(const CalibrationData& data);

}  // namespace latgrad::search
