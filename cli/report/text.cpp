#include "report/text.h"

#include <fmt/format.h>

namespace latgrad::cli::report {

std::string shortened(std::string_view text, size_t letters) {
  size_t seen = 0, last_begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (!begins) continue;
    if (seen == letters) return std::string(text.substr(0, last_begin)) + "\u2026";
    last_begin = i;
    ++seen;
  }
  return std::string(text);
}

std::string share_text(double part, double whole) {
  return fmt::format("{:.1f} %", whole > 0 ? 100 * part / whole : 0.0);
}

}  // namespace latgrad::cli::report
