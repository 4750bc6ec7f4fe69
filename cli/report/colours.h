// The colours of heat maps: from dark violet over blue and green to light yellow, equal steps to the eye.
//
//   html += fmt::format("<td class=\"{}\">", level_class(us / max_us));   // defined by level_style()
//
// Lightness alone orders them, so that every eye, and a printer without colour, sees the same order.

#pragma once

#include <cstddef>
#include <string>

namespace latgrad::cli::report {

inline constexpr size_t kLevels = 32;

// The nearest level of a fraction from 0 to 1; values outside are clipped, NaN is level 0.
size_t level(double fraction);

// The class of the level, "h0" to "h31": as background with a legible text on it, and as stroke.
std::string level_class(double fraction);

// The CSS of these classes, and of `scale`, a strip of all colours.
std::string level_style();

}  // namespace latgrad::cli::report
