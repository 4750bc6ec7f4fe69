#include "latgrad/profile/steadiness.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/profile/statistics.h"

namespace latgrad::profile {
namespace {

// Of a machine that is disturbed most of the time, the fast moments are still the same machine.
constexpr double kUndisturbedPercent = 10;
constexpr int kFewestRuns = 10;
constexpr int kMostRuns = 2000;

// As in a measurement: another network, here a copy of its own, runs in between and has the caches.
std::vector<double> times_of(const Reference& reference, runner::Runner& runner, int samples) {
  std::vector<double> times_us;
  for (const Flanks& flanks :
       measure_flanked(&reference, runner, {.chain = reference.chain, .samples = samples}).flanks) {
    times_us.push_back(flanks.mean_us());
  }
  return times_us;
}

int runs_in(double seconds, double once_us) {
  return static_cast<int>(std::clamp<double>(seconds * 1e6 / once_us, kFewestRuns, kMostRuns));
}

}  // namespace

Steadiness steadiness_of(const std::vector<double>& times_us) {
  const double middle_us = percentile(times_us, 50);
  const double low_us = percentile(times_us, kUndisturbedPercent);
  return {.reference_us = low_us,
          .unsteadiness = middle_us > 0 ? (percentile(times_us, 90) - low_us) / middle_us : 0};
}

std::optional<Steadiness> measure_steadiness(const Reference& reference, runner::Runner& runner,
                                             double seconds) {
  const double once_us = times_of(reference, runner, 1).front();
  if (!(once_us > 0)) return std::nullopt;
  return steadiness_of(times_of(reference, runner, runs_in(seconds, 2 * once_us)));
}

std::optional<Steadiness> measure_steadiness(NetworkTimer& timer, double seconds) {
  const double once_us = timer.time_reference(1).front();
  if (!(once_us > 0)) return std::nullopt;
  return steadiness_of(timer.time_reference(runs_in(seconds, once_us)));
}

std::string steadiness_text(double unsteadiness, double steady) {
  const char* word = unsteadiness <= steady ? "steady" : unsteadiness <= 4 * steady ? "restless" : "noisy";
  return fmt::format("{} {:.{}f} %", word, 100 * unsteadiness, unsteadiness < 0.01 ? 1 : 0);
}

std::string with_steadiness(std::optional<double> unsteadiness, double steady, const std::string& text) {
  return unsteadiness ? steadiness_text(*unsteadiness, steady) + "  " + text : text;
}

std::vector<std::string> steadiness_advice(const runner::RunnerInfo& runner, std::optional<double> load) {
  std::vector<std::string> advice;
  const std::string& governor = runner.machine.governor;
  if (!governor.empty() && governor != "performance") {
    advice.push_back(fmt::format("set the clock's governor to performance, it is {}", governor));
  }
  if (runner.cores.empty()) advice.push_back("pin the threads to cores");
  if (load && *load > 0.5) {
    advice.push_back(fmt::format("stop what else runs on it, {:.1f} processes were ready to run", *load));
  }
  advice.push_back("keep it cool, and its cores to yourself where it is shared");
  return advice;
}

}  // namespace latgrad::profile
