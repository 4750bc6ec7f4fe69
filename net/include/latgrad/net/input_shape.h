// Shapes and element types as people write them: "1,3,224,224", "uint8", "data=1,224,224,3:uint8".
//
//   const InputShape input = parse_input_shape("data=1,3,224,224");
//   set_input(net, input.blob, input.shape, input.dtype);

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "latgrad/net/tensor_info.h"

namespace latgrad::net {

// "1,56,56,24" or "[1, 56, 56, 24]". Errors: ValueError.
Shape parse_shape(std::string_view text);

// Caffe2's number or name: "6", "uint8". Errors: ValueError that lists the names.
DataType parse_dtype(std::string_view text);

// The shape of a network's data input.
struct InputShape {
  std::string blob;
  Shape shape;
  std::optional<DataType> dtype;  // nothing: the network's own, or float32
};

// "data=1,3,224,224" or "data=1,224,224,3:uint8". Errors: ValueError.
InputShape parse_input_shape(std::string_view text);
// The text that reads back as the same.
std::string to_string(const InputShape& input);

}  // namespace latgrad::net
