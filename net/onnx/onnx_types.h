// ONNX's TensorProto.DataType, and Caffe2's for each; the numbers of AttributeProto.AttributeType that are
// written.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

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

// Source: onnx.proto, message AttributeProto.
enum class OnnxAttribute : int {
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kInts = 7,
};

// What ONNX cannot say of an operator is in the metadata of its node, under the argument's name behind this:
// hints that choose an algorithm and no result.
inline constexpr std::string_view kOwnNote = "latgrad.";
inline constexpr std::array<std::string_view, 5> kNotedHints = {
    "exhaustive_search", "cudnn_exhaustive_search", "use_cudnn", "enable_tensor_core", "deterministic"};
// And the type of an operator that is written as another one with the same result: Sum as Add.
inline constexpr std::string_view kTypeNote = "type";

// Whether the elements may be those of a quantised tensor.
inline bool has_8_bits(DataType dtype) { return dtype == DataType::kUint8 || dtype == DataType::kInt8; }

// Errors: ValueError for a type that Caffe2 has not.
DataType data_type_of_onnx(int64_t onnx_type);
OnnxType onnx_type_of(DataType dtype);

}  // namespace latgrad::net
