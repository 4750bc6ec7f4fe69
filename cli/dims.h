// Shapes and element types as they are written on the command line.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::cli {

// "1,56,56,24" or "[1, 56, 56, 24]". Errors: ValueError.
net::Shape parse_shape(std::string_view text);

// Caffe2's number or name: "6", "uint8". Errors: ValueError that lists the names.
net::DataType parse_dtype(std::string_view text);

struct InputOption {
  std::string blob;
  net::Shape shape;
  std::optional<net::DataType> dtype;  // absent: the network's own, or float32
};

// "data=1,3,224,224" or "data=1,224,224,3:uint8". Errors: ValueError.
InputOption parse_input(std::string_view text);

// Sets the shapes of the data inputs.
// Errors: ValueError as parse_input and net::set_input.
void set_inputs(net::Net& net, const std::vector<std::string>& texts);

}  // namespace latgrad::cli
