// The little JSON that the profiler writes by itself; records are written by lut::record_json.

#pragma once

#include <string>
#include <string_view>

namespace latgrad::profile {

// The text as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace latgrad::profile
