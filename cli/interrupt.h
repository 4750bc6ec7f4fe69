// Ctrl-C during a measurement.
//
//   stop_on_interrupt();
//   measure([] { return interrupted() != 0; });
//   if (interrupted() != 0) return std::raise(interrupted());   // the caller sees the signal

#pragma once

namespace latgrad::cli {

// The first SIGINT or SIGTERM lets the current network finish; the second one kills.
void stop_on_interrupt();

// The signal; 0: none yet. On any thread.
int interrupted();

}  // namespace latgrad::cli
