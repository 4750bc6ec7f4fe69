// Operators in words.

#pragma once

#include <string>

#include "latgrad/lut/operator_key.h"

namespace latgrad::lut {

// One line for people: `Int8ConvRelu [1,56,56,144] w[144,5,5,1] k5 s2 p2 g144`.
std::string describe(const OperatorKey& key);

}  // namespace latgrad::lut
