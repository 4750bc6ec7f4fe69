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

OnnxType onnx_type_of(DataType dtype) {
  switch (dtype) {
    case DataType::kFloat:
      return OnnxType::kFloat;
    case DataType::kInt32:
      return OnnxType::kInt32;
    case DataType::kByte:
    case DataType::kUint8:
      return OnnxType::kUint8;
    case DataType::kString:
      return OnnxType::kString;
    case DataType::kBool:
      return OnnxType::kBool;
    case DataType::kInt8:
      return OnnxType::kInt8;
    case DataType::kUint16:
      return OnnxType::kUint16;
    case DataType::kInt16:
      return OnnxType::kInt16;
    case DataType::kInt64:
      return OnnxType::kInt64;
    case DataType::kFloat16:
      return OnnxType::kFloat16;
    case DataType::kDouble:
      return OnnxType::kDouble;
    case DataType::kUndefined:
      break;
  }
  throw ValueError("a tensor must have a type, got an undefined one");
}

}  // namespace latgrad::net
