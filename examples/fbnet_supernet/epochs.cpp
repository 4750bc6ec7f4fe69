#include "epochs.h"

#include <chrono>
#include <cmath>
#include <numbers>

#include "progress.h"
#include "stop_request.h"

namespace fbnet_supernet {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

void Training::run(double save_every_s) {
  const int64_t steps_each = steps();
  Progress progress(epochs_ * steps_each, position_.epoch * steps_each + position_.step);
  if (position_.epoch > 0 || position_.step > 0) {
    progress.line("Continuing at epoch " + std::to_string(position_.epoch) + ", step " +
                  std::to_string(position_.step) + " of " + std::to_string(steps_each));
  }
  if (position_.epoch < epochs_) progress.line(heading());
  Clock::time_point saved = Clock::now();
  while (position_.epoch < epochs_) {
    begin_epoch();
    while (position_.step < steps_each) {
      take_step(position_.step);
      ++position_.step;
      progress.step("epoch " + std::to_string(position_.epoch));
      const bool stopping = requested_stop() != 0;
      if (stopping || seconds_since(saved) > save_every_s) {
        position_.seconds += seconds_since(saved);
        saved = Clock::now();
        save();
      }
      if (stopping) throw Stopped();
    }
    progress.line(finish_epoch(position_.seconds + seconds_since(saved)));
    position_ = {.epoch = position_.epoch + 1};
    saved = Clock::now();
    save();
  }
}

double cosine(double first, int64_t epoch, int64_t epochs) {
  return first * 0.5 *
         (1 + std::cos(std::numbers::pi * static_cast<double>(epoch) / static_cast<double>(epochs)));
}

}  // namespace fbnet_supernet
