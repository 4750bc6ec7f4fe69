#include "latgrad/lut/statistic.h"

#include <fmt/format.h>

#include "latgrad/base/error.h"

namespace latgrad::lut {

Statistic parse_statistic(std::string_view text) {
  for (const Statistic statistic : kStatistics) {
    if (to_string(statistic) == text) return statistic;
  }
  throw ValueError(fmt::format("a statistic must be p0, p10, p50, p90, p100 or mean, got \"{}\"", text));
}

std::string_view to_string(Statistic statistic) {
  switch (statistic) {
    case Statistic::kP0:
      return "p0";
    case Statistic::kP10:
      return "p10";
    case Statistic::kP50:
      return "p50";
    case Statistic::kP90:
      return "p90";
    case Statistic::kP100:
      return "p100";
    case Statistic::kMean:
      return "mean";
  }
  return "";
}

}  // namespace latgrad::lut
