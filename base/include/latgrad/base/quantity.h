// Limits as people write them: times, sizes and counts.

#pragma once

#include <cstdint>
#include <string_view>

namespace latgrad::base {

// Microseconds: 20000 for `20ms`, `20000us`, `0.02s`. The unit must be there.
// Errors: ValueError for anything else, and for a time that is not above 0.
double parse_time_us(std::string_view text);

// Bytes: 2000000 for `2MB`, `2000kB`; 2097152 for `2MiB`. The unit must be there: B, kB, MB, GB, KiB, MiB,
// GiB. Errors: ValueError for anything else.
int64_t parse_bytes(std::string_view text);

// 300000000 for `300M`, `0.3G`, `300000000`; units k, M, G.
// Errors: ValueError for anything else.
int64_t parse_count(std::string_view text);

}  // namespace latgrad::base
