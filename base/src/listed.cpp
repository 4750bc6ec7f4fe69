#include "latgrad/base/listed.h"

#include <fmt/format.h>

#include <algorithm>

namespace latgrad::base {

std::string listed(const std::vector<std::string>& names, size_t most) {
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), most));
  std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text;
}

std::string listed_lines(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) text += fmt::format("  {}\n", names[i]);
  if (names.size() > most) text += fmt::format("  and {} more\n", names.size() - most);
  return text;
}

}  // namespace latgrad::base
