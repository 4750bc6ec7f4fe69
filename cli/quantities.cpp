#include "quantities.h"

#include <fmt/format.h>

namespace latgrad::cli {

std::string format_us(double time_us) { return fmt::format("{:.1f}", time_us); }

std::string format_ms(double time_us) { return fmt::format("{:.3f} ms", time_us / 1000); }

std::string format_ms_and_us(double time_us) {
  return fmt::format("{} ({:.1f} us)", format_ms(time_us), time_us);
}

std::string format_millions(int64_t count) {
  return count < 1'000'000 ? fmt::to_string(count)
                           : fmt::format("{:.1f} M", static_cast<double>(count) / 1e6);
}

std::string format_bytes(int64_t bytes) {
  constexpr double kKilo = 1000;
  const auto count = static_cast<double>(bytes);
  if (count < kKilo) return fmt::format("{} bytes", bytes);
  return count < kKilo * kKilo ? fmt::format("{:.1f} kB", count / kKilo)
                               : fmt::format("{:.1f} MB", count / (kKilo * kKilo));
}

std::string format_count(size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace latgrad::cli
