// Durations as people write them: `90`, `90s`, `3m`, `1h30m`, `1.5m`.

#pragma once

#include <string>
#include <string_view>

namespace latgrad::base {

// Seconds. A bare number counts seconds.
// Errors: ValueError for anything else, for a negative, zero or infinite duration.
double parse_duration_s(std::string_view text);

// "48 s", "2 min 05 s", "1 h 30 min": for progress lines.
std::string format_duration(double seconds);

}  // namespace latgrad::base
