#include "stop_request.h"

#include <csignal>

namespace fbnet_supernet {

namespace {

volatile std::sig_atomic_t signal_number = 0;

void remember(int number) { signal_number = number; }

}  // namespace

void listen_for_stop_requests() {
  struct sigaction action = {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int requested_stop() { return signal_number; }

}  // namespace fbnet_supernet
