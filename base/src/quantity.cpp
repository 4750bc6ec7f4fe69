#include "latgrad/base/quantity.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

#include "latgrad/base/error.h"

namespace latgrad::base {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kTimes[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}};
constexpr Unit kSizes[] = {{"B", 1},
                           {"kB", 1e3},
                           {"MB", 1e6},
                           {"GB", 1e9},
                           {"KiB", 1024},
                           {"MiB", 1024 * 1024},
                           {"GiB", 1024.0 * 1024 * 1024}};
constexpr Unit kCounts[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}};

constexpr double kLargest = 9e18;  // of what 64 bits hold

double parse(std::string_view text, std::span<const Unit> units, const char* rule) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (error == std::errc() && number > 0) {
    for (const Unit& known : units) {
      if (unit == known.name && number * known.factor <= kLargest) return number * known.factor;
    }
  }
  throw ValueError(fmt::format("{}, got \"{}\"", rule, text));
}

}  // namespace

double parse_time_us(std::string_view text) {
  return parse(text, kTimes, "a time must be above 0 and have a unit, like 20ms or 20000us");
}

int64_t parse_bytes(std::string_view text) {
  return static_cast<int64_t>(
      parse(text, kSizes, "a size must be above 0 and have a unit, like 2MB or 2MiB"));
}

int64_t parse_count(std::string_view text) {
  return static_cast<int64_t>(parse(text, kCounts, "a count must be above 0, like 300M"));
}

}  // namespace latgrad::base
