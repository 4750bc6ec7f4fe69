#include "onnx_types.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/error.h"

namespace latgrad::net {

DataType data_type_of_onnx(int64_t onnx_type) {
  constexpr int64_t kLast = 64;  // beyond ONNX's numbers
  switch (static_cast<OnnxType>(std::clamp<int64_t>(onnx_type, 0, kLast))) {
    case OnnxType::kFloat:
      return DataType::kFloat;
    case OnnxType::kUint8:
      return DataType::kUint8;
    case OnnxType::kInt8:
      return DataType::kInt8;
    case OnnxType::kUint16:
      return DataType::kUint16;
    case OnnxType::kInt16:
      return DataType::kInt16;
    case OnnxType::kInt32:
      return DataType::kInt32;
    case OnnxType::kInt64:
      return DataType::kInt64;
    case OnnxType::kString:
      return DataType::kString;
    case OnnxType::kBool:
      return DataType::kBool;
    case OnnxType::kFloat16:
      return DataType::kFloat16;
    case OnnxType::kDouble:
      return DataType::kDouble;
  }
  throw ValueError(
      fmt::format("tensors must be of floats of 16, 32 or 64 bits, integers of 8 to 64 bits, bool or "
                  "string, got ONNX's data type {}",
                  onnx_type));
}

}  // namespace latgrad::net
