// Numbers of channels that ratios give.

#pragma once

#include <cstdint>

namespace latgrad::search::internal {

// The nearest multiple, at least one, that is not below nine tenths of the exact number. Source:
// `_make_divisible` of MobileNetV2's published code.
int64_t rounded_channels(double exact, int64_t multiple);

}  // namespace latgrad::search::internal
