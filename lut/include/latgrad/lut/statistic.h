// The statistic of a record that prices are computed from.
//
//   table.time_us(record, parse_statistic("p90"))
//
// docs/risk.md explains what a sum of such times says about a network. Thread-safe: no state.

#pragma once

#include <array>
#include <string_view>

namespace latgrad::lut {

// A record holds percentiles but no mean. kMean is the mean of the distribution whose quantile function is
// linear between them:
//
//   mean = 0.05 p0 + 0.25 p10 + 0.4 p50 + 0.25 p90 + 0.05 p100
//
// The slowest run alone thus weighs 1/20, no matter how many runs there were.
enum class Statistic { kP0, kP10, kP50, kP90, kP100, kMean };

inline constexpr std::array kStatistics = {Statistic::kP0,  Statistic::kP10,  Statistic::kP50,
                                           Statistic::kP90, Statistic::kP100, Statistic::kMean};

// Errors: ValueError for anything but "p0", "p10", "p50", "p90", "p100", "mean".
Statistic parse_statistic(std::string_view text);
std::string_view to_string(Statistic statistic);

}  // namespace latgrad::lut
