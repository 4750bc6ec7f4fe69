#include "output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "latgrad/base/error.h"

namespace latgrad::cli {

namespace {

std::string printable(std::string_view text) {
  std::string safe(text);
  std::ranges::replace_if(
      safe, [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; }, '?');
  return safe;
}

}  // namespace

void write_output(std::string_view bytes) {
  const bool written =
      std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0;
  if (written) return;
  if (errno == EPIPE) throw OutputClosed();
  throw IoError(std::string("standard output cannot be written: ") + std::strerror(errno));
}

void write_text(std::string_view text) { write_output(printable(text)); }

void write_error(std::string_view text) {
  const std::string safe = printable(text);
  std::fwrite(safe.data(), 1, safe.size(), stderr);
}

}  // namespace latgrad::cli
