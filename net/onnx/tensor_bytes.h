// The elements of a tensor as an ONNX file holds them: little-endian, as all machines of today have them.

#pragma once

#include <cstdint>
#include <string>

#include "latgrad/net/tensor_info.h"

namespace latgrad::net {

bool is_floating(DataType dtype);

// Appends one element, rounded to its type.
void append_element(std::string& bytes, double value, DataType dtype);

}  // namespace latgrad::net
