// Numbers as Python prints them, for files and reports that must equal the published tool's.

#pragma once

#include <string>

namespace latgrad::lut {

// repr(float(value)): the shortest digits that read back as the same number; `259.0`, `1e-05`, `inf`, `nan`.
std::string python_repr(double value);

// repr(int(value)). Precondition: value is a whole number.
std::string python_int(double value);

}  // namespace latgrad::lut
