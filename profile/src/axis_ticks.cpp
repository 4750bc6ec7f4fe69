#include "latgrad/profile/axis_ticks.h"

#include <cmath>

namespace latgrad::profile {

double nice_below(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (double factor : {5.0, 2.0}) {
    if (factor * power <= value * (1 + 1e-12)) return factor * power;
  }
  return power;
}

std::vector<double> linear_ticks(double low, double high, double least_steps) {
  const double step = nice_below((high - low) / least_steps);
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12); ++i) {
    ticks.push_back(i * step + 0.0);  // -0 becomes 0
  }
  return ticks;
}

}  // namespace latgrad::profile
