// The figure of a record's times that a price is made of.
//
//   table.time_us(record, parse_statistic("p90"))
//
// What a sum of such figures says about a network: docs/risk.md. Thread-safe: no state.

#pragma once

#include <array>
#include <string_view>

namespace latgrad::lut {

// A record holds percentiles and no mean. kMean is that of the distribution whose quantile function is
// linear between them:
//
//   mean = 0.05 p0 + 0.25 p10 + 0.4 p50 + 0.25 p90 + 0.05 p100
//
// The slowest run alone thus weighs 1/20, however many runs there were.
enum class Statistic { kP0, kP10, kP50, kP90, kP100, kMean };

inline constexpr std::array kStatistics = {Statistic::kP0,  Statistic::kP10,  Statistic::kP50,
                                           Statistic::kP90, Statistic::kP100, Statistic::kMean};

// Errors: ValueError for anything but "p0", "p10", "p50", "p90", "p100", "mean".
Statistic parse_statistic(std::string_view text);
std::string_view to_string(Statistic statistic);

}  // namespace latgrad::lut
