// The element type that an operator expects of a parameter, for where no file says it.

#pragma once

#include <cstddef>
#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Of input `index` of an operator type: quantised layers have uint8 weights and int32 biases, all else is
// float.
DataType parameter_type(std::string_view op_type, size_t index);

// Of the first operator that reads `blob`; float when none does.
DataType parameter_type(const Net& net, std::string_view blob);

}  // namespace latgrad::net
