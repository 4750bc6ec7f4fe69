#include "latgrad/profile/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "latgrad/base/duration.h"

namespace latgrad::profile {
namespace {

using std::chrono::steady_clock;

// Often enough to look alive, rarely enough to cost nothing and to keep a log readable.
constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kPlainInterval = std::chrono::seconds(10);

std::string bar(size_t done, size_t total) {
  constexpr size_t kCells = 16;
  size_t filled = total > 0 ? std::min(kCells, kCells * done / total) : kCells;
  return std::string(filled, '#') + std::string(kCells - filled, '.') + ' ';
}

// Whether a byte is one of a UTF-8 character, but not its first.
bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

void Progress::show(size_t done, size_t total, std::optional<double> left_s, std::string_view current) {
  if (style_ == Style::kQuiet) return;
  bool terminal = style_ == Style::kTerminal;
  steady_clock::time_point now = steady_clock::now();
  if (last_ && now - *last_ < (terminal ? steady_clock::duration(kTerminalInterval) : kPlainInterval)) return;
  last_ = now;

  std::string left = left_s ? base::format_duration(*left_s) + " left" : "";
  std::string line = fmt::format("{}[{:>{}}/{}] {:>14}  {}", label_, done, fmt::formatted_size("{}", total),
                                 total, left, current);
  if (terminal) line = bar(done, total) + line;
  if (!terminal) {
    out_ << line + '\n' << std::flush;  // at once: others may write, too
    return;
  }
  if (line.size() >= columns_) {
    size_t end = columns_ - 1;
    while (end > 0 && is_continuation(line[end])) --end;  // a character is whole or not there
    line.resize(end);
  }
  out_ << "\r\033[K" << line << std::flush;
  drawn_ = true;
}

void Progress::say(std::string_view line) {
  if (style_ == Style::kQuiet) return;
  clear();
  out_ << fmt::format("{}{}\n", label_, line) << std::flush;
}

void Progress::clear() {
  if (drawn_) out_ << "\r\033[K" << std::flush;
  drawn_ = false;
}

Progress::Style stderr_style() {
  return isatty(STDERR_FILENO) ? Progress::Style::kTerminal : Progress::Style::kPlain;
}

size_t stderr_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace latgrad::profile
