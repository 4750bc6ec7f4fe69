#include "channel_rounding.h"

#include <algorithm>
#include <cmath>

namespace latgrad::search::internal {

int64_t rounded_channels(double exact, int64_t multiple) {
  // A half goes up, as in the published code.
  auto rounded = static_cast<int64_t>(std::floor(exact / static_cast<double>(multiple) + 0.5)) * multiple;
  if (static_cast<double>(rounded) < 0.9 * exact) rounded += multiple;
  return std::max(rounded, multiple);
}

}  // namespace latgrad::search::internal
