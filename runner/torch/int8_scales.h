// How int8 tensors stand for numbers. Any scale does: the time of an integer kernel does not depend on it.
// These keep every requantisation factor in the range that QNNPACK accepts.

#pragma once

#include <cstdint>

namespace latgrad::runner {

inline constexpr double kActivationScale = 0.05;
inline constexpr int64_t kZeroPoint = 128;

// QNNPACK's softmax knows only this output.
inline constexpr double kSoftmaxScale = 1.0 / 256;
inline constexpr int64_t kSoftmaxZeroPoint = 0;

}  // namespace latgrad::runner
