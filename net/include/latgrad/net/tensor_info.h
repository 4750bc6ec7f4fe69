// Shapes and element types, named as Caffe2 names them.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace latgrad::net {

using Shape = std::vector<int64_t>;

// Dimensions and geometric arguments are 32 bits wide in Caffe2. The bound also keeps every sum and product
// of two of them below 2^63.
inline constexpr int64_t kMaxDim = INT32_MAX;

// Caffe2's TensorProto.DataType; every LUT record holds these numbers.
// Source: caffe2.proto, message TensorProto.
enum class DataType : int {
  kUndefined = 0,
  kFloat = 1,
  kInt32 = 2,
  kByte = 3,
  kString = 4,
  kBool = 5,
  kUint8 = 6,
  kInt8 = 7,
  kUint16 = 8,
  kInt16 = 9,
  kInt64 = 10,
  kFloat16 = 12,
  kDouble = 13,
};

// "float32", "uint8", ...; "undefined" for a number that Caffe2 does not define.
std::string_view to_string(DataType dtype);

struct TensorInfo {
  Shape shape;
  DataType dtype = DataType::kFloat;

  bool operator==(const TensorInfo&) const = default;
};

// The number of elements, 1 for a scalar.
// Errors: ValueError when a dimension is negative or the product exceeds 2^63 - 1.
int64_t num_elements(const Shape& shape);

// "[1, 3, 224, 224]", as Python prints a list.
std::string to_string(const Shape& shape);

}  // namespace latgrad::net
