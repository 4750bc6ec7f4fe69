#include "timer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "latgrad/lut/error.h"

namespace latgrad::profile {
namespace {

// The clock may read 0 for an empty call; a batch must stay finite.
constexpr int kMaxBatch = 10'000;

double batch_us(const std::function<void()>& call, int batch) {
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < batch; ++i) call();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::vector<double> time_call(const std::function<void()>& call, const TimerOptions& options) {
  if (options.warmup < 0)
    throw ValueError("warmup must not be negative, got " + std::to_string(options.warmup));
  if (options.samples < 1)
    throw ValueError("samples must be at least 1, got " + std::to_string(options.samples));
  if (!(options.min_sample_us >= 0)) {
    throw ValueError("min_sample_us must not be negative, got " + std::to_string(options.min_sample_us));
  }
  // One call more than asked, which sizes the batch where there is no warm-up.
  double fastest_us = batch_us(call, 1);
  for (int i = 0; i < options.warmup; ++i) fastest_us = std::min(fastest_us, batch_us(call, 1));
  int batch = 1;
  if (fastest_us < options.min_sample_us) {
    double needed = fastest_us > 0 ? std::ceil(options.min_sample_us / fastest_us) : kMaxBatch;
    batch = static_cast<int>(std::min<double>(needed, kMaxBatch));
  }
  std::vector<double> samples_us(static_cast<size_t>(options.samples));
  for (double& sample_us : samples_us) sample_us = batch_us(call, batch) / batch;
  return samples_us;
}

}  // namespace latgrad::profile
