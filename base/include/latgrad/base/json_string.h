// Text as JSON, for tables, provenance and the command's output.

#pragma once

#include <string>
#include <string_view>

namespace latgrad::base {

// The text as a JSON string, quotes included, escaped as Python's json.dumps(text, ensure_ascii=False)
// escapes it. Each byte that is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

}  // namespace latgrad::base
