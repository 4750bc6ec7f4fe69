#include "range_check.h"

#include <fmt/format.h>

#include "latgrad/base/error.h"

namespace latgrad::search::internal {

void check_range(const std::string& what, int64_t value, int64_t smallest, int64_t largest,
                 const std::string& source, const std::string& field) {
  if (value < smallest || value > largest) {
    throw ValueError(fmt::format("{} must be from {} to {}, got {}", what, smallest, largest, value),
                     {.file = source, .field = field});
  }
}

}  // namespace latgrad::search::internal
