// ONNX's TensorProto.DataType, and Caffe2's for each.

#pragma once

#include <cstdint>

#include "latgrad/net/tensor_info.h"

namespace latgrad::net {

// Source: onnx.proto, message TensorProto.
enum class OnnxType : int {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
};

// Errors: ValueError for a type that Caffe2 has not.
DataType data_type_of_onnx(int64_t onnx_type);

}  // namespace latgrad::net
