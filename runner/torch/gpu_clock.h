// Reads the clock of a GPU between kernels, which run later than they are called.
//
//   GpuClock clock(/*ticks=*/2);
//   clock.tick(0); kernel(); clock.tick(1);
//   clock.wait();
//   clock.elapsed_us(0, 1);
//
// Through torch's device-generic events, so that no CUDA header is needed. Torch 2.4 came with their time.

#pragma once

#include <torch/version.h>

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <vector>

namespace latgrad::runner {

class GpuClock {
 public:
  static constexpr bool kIsThere = true;

  explicit GpuClock(size_t ticks) {
    // BACKEND_DEFAULT: torch's own default switches the events' times off.
    for (size_t tick = 0; tick < ticks; ++tick)
      events_.emplace_back(c10::DeviceType::CUDA, c10::EventFlag::BACKEND_DEFAULT);
  }

  void tick(size_t index) { events_[index].record(guard_.getStream({c10::DeviceType::CUDA, 0})); }
  void wait() const { guard_.synchronizeStream(guard_.getStream({c10::DeviceType::CUDA, 0})); }
  // Precondition: both ticks have been waited for.
  double elapsed_us(size_t from, size_t to) const { return events_[from].elapsedTime(events_[to]) * 1000; }

 private:
  c10::impl::VirtualGuardImpl guard_{c10::DeviceType::CUDA};
  std::vector<c10::Event> events_;
};

}  // namespace latgrad::runner

#else

#include <cstddef>

namespace latgrad::runner {

class GpuClock {
 public:
  static constexpr bool kIsThere = false;

  explicit GpuClock(size_t) {}
  void tick(size_t) {}
  void wait() const {}
  double elapsed_us(size_t, size_t) const { return 0; }
};

}  // namespace latgrad::runner

#endif
