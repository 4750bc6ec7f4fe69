#include "latgrad/search/learning_curve.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "latgrad/base/random.h"

namespace latgrad::search {
namespace {

constexpr size_t kFewestOthers = 5;
constexpr size_t kMostOthers = 1000;
constexpr size_t kChoices = 5;       // of small numbers of networks, whose error depends on the choice
constexpr size_t kFewChoices = 100;  // from so many networks on one is enough

double mape_of(const OperatorPosterior& posterior, std::span<const TimedNetwork> networks) {
  double sum = 0;
  for (const TimedNetwork& network : networks) {
    double predicted_us = 0;
    for (const uint32_t op : network.operators) predicted_us += posterior.times_us()[op];
    sum += std::abs(predicted_us / network.time_us - 1);
  }
  return sum / static_cast<double>(networks.size());
}

}  // namespace

std::vector<LearningPoint> learning_curve(const Calibrator& calibrator,
                                          std::span<const TimedNetwork> networks, uint64_t seed) {
  std::vector<TimedNetwork> shuffled(networks.begin(), networks.end());
  std::mt19937_64 random(seed);
  std::vector<LearningPoint> points;
  constexpr size_t kSteps[] = {5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
  for (const size_t size : kSteps) {
    if (size + kFewestOthers > networks.size()) break;
    LearningPoint& point = points.emplace_back(LearningPoint{.networks = size});
    const size_t choices = size < kFewChoices ? kChoices : 1;
    for (size_t choice = 0; choice < choices; ++choice) {
      base::shuffle(shuffled, random);
      const std::span<const TimedNetwork> all(shuffled);
      const Calibration calibration = calibrator.calibrate(all.first(size), seed);
      const size_t others = std::min(kMostOthers, all.size() - size);
      point.mape += mape_of(calibration.posterior, all.subspan(size, others)) / static_cast<double>(choices);
    }
  }
  return points;
}

}  // namespace latgrad::search
