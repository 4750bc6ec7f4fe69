// Percentages as people write them: `2`, `2%`, `0.5 %`.

#pragma once

#include <string_view>

namespace latgrad::base {

// The fraction: 0.02 for `2%`. Errors: ValueError for anything but a number above 0 and up to 100.
double parse_percentage(std::string_view text);

}  // namespace latgrad::base
