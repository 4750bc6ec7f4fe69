#include "latgrad/net/tensor_info.h"

#include <fmt/format.h>

#include "latgrad/base/error.h"

namespace latgrad::net {

std::string_view to_string(DataType dtype) {
  switch (dtype) {
    case DataType::kFloat:
      return "float32";
    case DataType::kInt32:
      return "int32";
    case DataType::kByte:
      return "byte";
    case DataType::kString:
      return "string";
    case DataType::kBool:
      return "bool";
    case DataType::kUint8:
      return "uint8";
    case DataType::kInt8:
      return "int8";
    case DataType::kUint16:
      return "uint16";
    case DataType::kInt16:
      return "int16";
    case DataType::kInt64:
      return "int64";
    case DataType::kFloat16:
      return "float16";
    case DataType::kDouble:
      return "float64";
    case DataType::kUndefined:
      break;
  }
  return "undefined";
}

int64_t num_elements(const Shape& shape) {
  int64_t product = 1;
  for (const int64_t dim : shape) {
    if (dim < 0) {
      throw ValueError(fmt::format("a dimension must not be negative, got {}", to_string(shape)));
    }
    if (__builtin_mul_overflow(product, dim, &product)) {
      throw ValueError(fmt::format("a shape must have fewer than 2^63 elements, got {}", to_string(shape)));
    }
  }
  return product;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace latgrad::net
