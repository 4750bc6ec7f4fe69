#include "latgrad/profile/self_test.h"

#include <cstdint>

#include "latgrad/profile/statistics.h"

namespace latgrad::profile {
namespace {

constexpr int64_t kDelays_us[] = {50, 200, 1000, 10000};
constexpr int kSamples = 31;

}  // namespace

std::vector<DelayCheck> self_test(runner::Runner& runner) {
  runner::Chain chain;
  for (int64_t delay_us : kDelays_us) {
    chain.push_back({{"LatgradDelay", {net::Argument::of_int("delay_us", delay_us)}, {}, {}}, {}});
  }
  runner::Timings timings = runner.measure({.chain = chain, .warmup = 2, .samples = kSamples});
  std::vector<DelayCheck> checks;
  for (size_t op = 0; op < chain.size(); ++op) {
    if (!timings.unsupported[op].empty()) {
      throw runner::RunnerError("a self-test needs a runner that knows LatgradDelay, but this one replies: " +
                                timings.unsupported[op]);
    }
    checks.push_back({static_cast<double>(kDelays_us[op]), percentiles(timings.operators_us[op]).p50_us});
  }
  return checks;
}

}  // namespace latgrad::profile
