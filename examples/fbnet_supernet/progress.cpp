#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fbnet_supernet {

namespace {

constexpr const char* kClearLine = "\r\x1b[K";

int64_t terminal_columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  const auto two_digits = [](int64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  if (whole >= 3600) return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
  if (whole >= 60) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole) + " s";
}

Progress::Progress(int64_t total, int64_t done)
    : total_(total), done_(done), first_(done), is_terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::step(const std::string& what) {
  ++done_;
  const auto now = Clock::now();
  if (!is_terminal_ || (now - shown_ < std::chrono::milliseconds(100) && done_ < total_)) return;
  shown_ = now;
  const double taken_s = std::chrono::duration<double>(now - began_).count();
  const double left_s = taken_s / static_cast<double>(done_ - first_) * static_cast<double>(total_ - done_);
  const std::string text =
      "] " + std::to_string(100 * done_ / total_) + " %  " + duration(left_s) + " left  " + what;
  const int64_t columns = terminal_columns();
  const auto width = std::clamp<int64_t>(columns - static_cast<int64_t>(text.size()) - 2, 10, 40);
  const int64_t filled = width * done_ / total_;
  const std::string bar = "[" + std::string(filled, '#') + std::string(width - filled, '.') + text;
  std::fprintf(stderr, "%s%s", kClearLine, bar.substr(0, columns).c_str());
}

void Progress::line(const std::string& text) {
  if (is_terminal_) std::fputs(kClearLine, stderr);
  std::puts(text.c_str());
  std::fflush(stdout);
}

}  // namespace fbnet_supernet
