#include "python_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace latgrad::lut {

std::string python_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[400];  // the longest fixed form has 309 digits
  const double magnitude = std::fabs(value);
  const bool with_exponent = value != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
  const auto format = with_exponent ? std::chars_format::scientific : std::chars_format::fixed;
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
  if (!with_exponent && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string python_int(double value) { return fmt::format("{:.0f}", value); }

}  // namespace latgrad::lut
