#include "tensor_values.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/net/tensor_info.h"
#include "onnx_types.h"

namespace latgrad::net {
namespace {

// IEEE 754's half precision.
double of_half(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const int fraction = bits & 0x3ff;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 0x1f) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  return exponent == 0 ? sign * std::ldexp(fraction, -24)
                       : sign * std::ldexp(fraction + 0x400, exponent - 25);
}

Values of_halves(Values bits) {
  for (double& value : bits) value = of_half(static_cast<uint16_t>(value));
  return bits;
}

// Little-endian, as ONNX writes them.
template <typename Element>
Values raw_values(std::string_view bytes, size_t count) {
  Values values;
  if (bytes.size() != count * sizeof(Element)) return values;
  for (size_t i = 0; i < count; ++i) {
    Element element;
    std::memcpy(&element, bytes.data() + i * sizeof(Element), sizeof(Element));
    values.push_back(static_cast<double>(element));
  }
  return values;
}

Values raw_values_of(OnnxType type, std::string_view bytes, size_t count) {
  switch (type) {
    case OnnxType::kFloat:
      return raw_values<float>(bytes, count);
    case OnnxType::kDouble:
      return raw_values<double>(bytes, count);
    case OnnxType::kInt64:
      return raw_values<int64_t>(bytes, count);
    case OnnxType::kInt32:
      return raw_values<int32_t>(bytes, count);
    case OnnxType::kInt16:
      return raw_values<int16_t>(bytes, count);
    case OnnxType::kUint16:
      return raw_values<uint16_t>(bytes, count);
    case OnnxType::kFloat16:
      return of_halves(raw_values<uint16_t>(bytes, count));
    case OnnxType::kInt8:
      return raw_values<int8_t>(bytes, count);
    case OnnxType::kUint8:
    case OnnxType::kBool:
      return raw_values<uint8_t>(bytes, count);
    default:
      return {};
  }
}

}  // namespace

std::optional<Values> tensor_values(const onnx::TensorProto& tensor) {
  int64_t count = 0;
  try {
    count = num_elements(Shape(tensor.dims().begin(), tensor.dims().end()));
  } catch (const ValueError&) {
    return std::nullopt;  // whoever reads the tensor says so
  }
  if (count > static_cast<int64_t>(kMaxValues)) return std::nullopt;
  Values values;
  if (tensor.has_raw_data()) {
    values = raw_values_of(static_cast<OnnxType>(tensor.data_type()), tensor.raw_data(),
                           static_cast<size_t>(count));
  } else {
    values.assign(tensor.float_data().begin(), tensor.float_data().end());
    values.insert(values.end(), tensor.int64_data().begin(), tensor.int64_data().end());
    values.insert(values.end(), tensor.double_data().begin(), tensor.double_data().end());
    values.insert(values.end(), tensor.int32_data().begin(), tensor.int32_data().end());
    if (tensor.data_type() == static_cast<int>(OnnxType::kFloat16)) values = of_halves(std::move(values));
  }
  if (static_cast<int64_t>(values.size()) != count) return std::nullopt;
  return values;
}

}  // namespace latgrad::net
