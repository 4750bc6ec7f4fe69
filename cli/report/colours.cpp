#include "report/colours.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace latgrad::cli::report {

namespace {

struct Colour {
  double red, green, blue;  // sRGB, 0 to 255
};

// In OKLCH: lightness from 0.28 to 0.92 in equal steps, hue from 305 down to 105 degrees in equal steps,
// chroma 0.15 or as much of it as sRGB has there.
constexpr Colour kStops[] = {
    {0x3a, 0x01, 0x5f}, {0x37, 0x1f, 0x7f}, {0x27, 0x3b, 0x96}, {0x00, 0x58, 0x9b},
    {0x04, 0x70, 0x98}, {0x02, 0x86, 0x9c}, {0x09, 0x9c, 0x9e}, {0x06, 0xb3, 0x9a},
    {0x3d, 0xc9, 0x8a}, {0x85, 0xd7, 0x79}, {0xbf, 0xe2, 0x6c}, {0xf4, 0xea, 0x68},
};
constexpr size_t kLast = std::size(kStops) - 1;

Colour colour_at(double fraction) {
  const double at = fraction * kLast;
  const size_t below = std::min(static_cast<size_t>(at), kLast - 1);
  const auto between = [&](double Colour::*part) {
    return std::lerp(kStops[below].*part, kStops[below + 1].*part, at - static_cast<double>(below));
  };
  return {between(&Colour::red), between(&Colour::green), between(&Colour::blue)};
}

std::string css(const Colour& colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", std::lround(colour.red), std::lround(colour.green),
                     std::lround(colour.blue));
}

// As WCAG 2 defines it: black on a colour has the higher contrast where this is above 0.179.
double luminance(const Colour& colour) {
  const auto linear = [](double part) {
    const double s = part / 255;
    return s <= 0.04045 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

}  // namespace

size_t level(double fraction) {
  if (!(fraction > 0)) return 0;
  return static_cast<size_t>(std::lround(std::min(fraction, 1.0) * (kLevels - 1)));
}

std::string level_class(double fraction) { return fmt::format("h{}", level(fraction)); }

std::string level_style() {
  std::string style;
  for (size_t i = 0; i < kLevels; ++i) {
    const Colour colour = colour_at(static_cast<double>(i) / (kLevels - 1));
    style += fmt::format(".h{0}{{background:{1};stroke:{1};color:{2}}}\n", i, css(colour),
                         luminance(colour) > 0.179 ? "#000" : "#fff");
  }
  style += ".scale{background:linear-gradient(90deg";
  for (const Colour& stop : kStops) style += ',' + css(stop);
  return style + ")}\n";
}

}  // namespace latgrad::cli::report
