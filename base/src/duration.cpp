#include "latgrad/base/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "latgrad/base/error.h"

namespace latgrad::base {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  throw ValueError(fmt::format("a duration must be like 90s, 3m or 1h30m and positive, got \"{}\"", text));
}

double unit_s(char unit, std::string_view text) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    default:
      refuse(text);
  }
}

}  // namespace

double parse_duration_s(std::string_view text) {
  double total_s = 0;
  double last_unit_s = INFINITY;  // units must shrink: `3s1m` is a slip
  std::string_view rest = text;
  while (!rest.empty()) {
    double number = 0;
    auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc() || std::signbit(number)) refuse(text);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.empty()) {
      if (std::isfinite(last_unit_s)) refuse(text);
      total_s = number;
      break;
    }
    double unit = unit_s(rest.front(), text);
    if (unit >= last_unit_s) refuse(text);
    last_unit_s = unit;
    total_s += number * unit;
    rest.remove_prefix(1);
  }
  if (!(total_s > 0) || !std::isfinite(total_s)) refuse(text);
  return total_s;
}

std::string format_duration(double seconds) {
  auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace latgrad::base
