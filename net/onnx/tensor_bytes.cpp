#include "tensor_bytes.h"

#include <cmath>
#include <cstring>

#include "latgrad/net/memory.h"
#include "latgrad/net/net.h"

namespace latgrad::net {
namespace {

template <typename T>
void append(std::string& bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

// Half precision; what is below its normal numbers becomes 0.
uint16_t half(double value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::abs(value);
  if (std::isnan(value)) return 0x7e00;
  if (size < 0x1p-14) return sign;
  if (size >= 65520) return sign | 0x7c00;
  int exponent = 0;
  const double fraction = std::frexp(size, &exponent);  // [0.5, 1)
  const int mantissa = static_cast<int>(std::nearbyint(fraction * 2048)) - 1024;
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + mantissa);
}

}  // namespace

bool is_floating(DataType dtype) {
  return dtype == DataType::kFloat || dtype == DataType::kDouble || dtype == DataType::kFloat16;
}

void append_element(std::string& bytes, double value, DataType dtype) {
  if (dtype == DataType::kFloat) return append(bytes, static_cast<float>(value));
  if (dtype == DataType::kDouble) return append(bytes, value);
  if (dtype == DataType::kFloat16) return append(bytes, half(value));
  const int64_t integer = to_integers({value}).front();
  switch (element_bytes(dtype)) {
    case 8:
      return append(bytes, integer);
    case 4:
      return append(bytes, static_cast<int32_t>(integer));
    case 2:
      return append(bytes, static_cast<int16_t>(integer));
    default:
      return append(bytes, static_cast<int8_t>(integer));
  }
}

}  // namespace latgrad::net
