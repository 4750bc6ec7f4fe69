// The elements of ONNX's tensors, where they are few.

#pragma once

#include <optional>

#include "latgrad/net/net.h"
#include "latgrad/onnx.pb.h"

namespace latgrad::net {

// Nothing where there are more than kMaxValues, where they are in another file, or of a type without numbers.
std::optional<Values> tensor_values(const onnx::TensorProto& tensor);

}  // namespace latgrad::net
