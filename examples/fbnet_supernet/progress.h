// What is seen of a run while it goes: a bar with the time left on a terminal, and lines.
//
//   Progress progress(steps, done);
//   progress.step("epoch 3");
//   progress.line("    3  ...");
//
// The bar goes to standard error, and only to a terminal; lines go to standard output.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fbnet_supernet {

// "1 h 02 min", "3 min 20 s", "14 s".
std::string duration(double seconds);

class Progress {
 public:
  // `done`: steps that an earlier process has done; the time left is estimated by this one's alone.
  Progress(int64_t total, int64_t done);

  void step(const std::string& what);
  void line(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;

  int64_t total_;
  int64_t done_;
  int64_t first_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point shown_ = {};
  bool is_terminal_;
};

}  // namespace fbnet_supernet
