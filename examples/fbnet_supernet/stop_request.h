// SIGINT and SIGTERM as a flag that a loop looks at after each step.
//
//   listen_for_stop_requests();
//   if (requested_stop()) { save(); throw Stopped(); }
//
// The second signal of a kind ends the process at once.

#pragma once

#include <exception>

namespace fbnet_supernet {

// The run was asked to stop, and has saved where it is.
class Stopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped"; }
};

void listen_for_stop_requests();

// The number of the signal that came; 0: none.
int requested_stop();

}  // namespace fbnet_supernet
