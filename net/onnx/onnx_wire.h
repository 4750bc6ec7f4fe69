// Reads the bytes of an .onnx file without its weights.

#pragma once

#include <string>
#include <string_view>

#include "latgrad/onnx.pb.h"

namespace latgrad::net {

// Fills `model`; the data of tensors of more than a kilobyte is left out, their shapes stay. Linear in the
// size of the graph, not of the weights; external data is never opened. Errors: ParseError naming file and
// byte.
void parse_onnx(std::string_view bytes, const std::string& source, onnx::ModelProto& model);

}  // namespace latgrad::net
