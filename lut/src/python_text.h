// Numbers and strings as Python prints them, for files and reports that must equal the published tool's.

#pragma once

#include <string>
#include <string_view>

namespace latgrad::lut {

// repr(float(value)): the shortest digits that read back as the same number; `259.0`, `1e-05`, `inf`, `nan`.
std::string python_repr(double value);

// repr(int(value)). Precondition: value is a whole number.
std::string python_int(double value);

// json.dumps(text, ensure_ascii=False).
// Precondition: valid UTF-8.
std::string json_string(std::string_view text);

}  // namespace latgrad::lut
