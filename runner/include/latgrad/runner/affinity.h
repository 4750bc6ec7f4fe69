// The cores that a measurement runs on. A thread that the scheduler moves loses its caches, and on a machine
// with fast and slow cores its time depends on the core it gets.
//
//   std::vector<int> cores = choose_cores({.threads = 2, .asked = {}, .allowed = allowed_cores()});
//   pin_to(cores);      // before any other thread starts: threads inherit it
//
// Linux only: elsewhere no core is known, and nothing can be pinned.

#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace latgrad::runner {

// The cores that the calling thread may run on, ascending; empty if the system does not report them.
std::vector<int> allowed_cores();

struct CoreChoice {
  int threads = 1;
  std::vector<int> asked = {};  // empty: choose
  std::vector<int> allowed = {};
  std::filesystem::path cpu_folder = "/sys/devices/system/cpu";  // holds the highest frequency of each core
};

// The cores asked for, or one allowed core per thread: those with the highest frequency, where the system
// reports it, and the last ones among equals, because the first core serves most interrupts. Ascending.
// Errors: ValueError for a core that is not allowed or is named twice, or for fewer cores than threads.
std::vector<int> choose_cores(const CoreChoice& choice);

// Keeps the calling thread, and those that it starts from now on, on these cores.
// Errors: ValueError when the system refuses.
void pin_to(const std::vector<int>& cores);

}  // namespace latgrad::runner
