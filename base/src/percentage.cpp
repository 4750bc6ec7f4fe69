#include "latgrad/base/percentage.h"

#include <fmt/format.h>

#include <charconv>

#include "latgrad/base/error.h"

namespace latgrad::base {

double parse_percentage(std::string_view text) {
  double percent = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc() || (unit != "" && unit != "%" && unit != " %") ||
      !(percent > 0 && percent <= 100)) {
    throw ValueError(fmt::format("a percentage must be like 2% and above 0, got \"{}\"", text));
  }
  return percent / 100;
}

}  // namespace latgrad::base
