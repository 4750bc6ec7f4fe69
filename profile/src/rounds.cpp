#include "latgrad/profile/rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "latgrad/base/error.h"

namespace latgrad::profile {
namespace {

// The limit for a run with a generous budget in which a median cannot settle.
constexpr size_t kMaxRounds = 1000;

}  // namespace

void check(const RoundOptions& options) {
  auto refuse = [](std::string_view rule, double value) {
    throw ValueError(fmt::format("{}, got {}", rule, value));
  };
  if (options.warmup < 0) refuse("warmup must not be negative", options.warmup);
  if (options.samples_per_visit < 1)
    refuse("samples per visit must be at least 1", options.samples_per_visit);
  if (!(options.target > 0)) refuse("target must be positive", options.target);
  if (!(options.budget_s > 0)) refuse("budget must be positive", options.budget_s);
  if (!(options.flank_tolerance > 0)) refuse("flank tolerance must be positive", options.flank_tolerance);
}

Rounds::Rounds(const RoundOptions& options) : options_(options) { check(options); }

bool Rounds::begin(std::span<const Times> times, const std::vector<bool>& can_run) {
  if (in_round_ && !budget_spent_) ++done_;
  unsettled_.assign(times.size(), false);
  settled_ = 0;
  rounds_left_ = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    const std::optional<double> error = times[i].relative_error();
    unsettled_[i] = can_run[i] && !(error && *error <= options_.target);
    if (!unsettled_[i]) {
      ++settled_;
      continue;
    }
    // The interval shrinks with the root of the number of visits; each round adds at least one.
    const double visits = std::max<double>(1, static_cast<double>(times[i].visits()));
    const double wanted =
        error ? visits * std::pow(*error / options_.target, 2) : std::max(visits + 1, kUsualRounds);
    rounds_left_ = std::max(rounds_left_, wanted - visits);
  }
  in_round_ = settled_ < times.size() && !budget_spent_ && done_ < kMaxRounds;
  return in_round_;
}

bool Rounds::has_time() {
  if (done_ > 0 && elapsed_s() >= options_.budget_s) budget_spent_ = true;
  return !budget_spent_;
}

double Rounds::elapsed_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::optional<double> Rounds::left_s() const {
  if (done_ == 0) return std::nullopt;
  const double left = rounds_left_ * elapsed_s() / static_cast<double>(done_);
  return std::clamp(left, 0.0, std::max(0.0, options_.budget_s - elapsed_s()));
}

}  // namespace latgrad::profile
