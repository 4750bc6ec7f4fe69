#include "interrupt.h"

#include <atomic>
#include <csignal>

namespace latgrad::cli {

namespace {

// Set by the handler, on whichever thread it runs.
std::atomic<int> signal_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free);

}  // namespace

void stop_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { signal_seen = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupted() { return signal_seen; }

}  // namespace latgrad::cli
