// The dimension order of an operator without the argument `order`.

#pragma once

#include <string_view>

namespace latgrad::net {

// Int8 operators know nothing but NHWC. Source: caffe2/operators/quantized/.
inline std::string_view default_order(std::string_view op_type) {
  return op_type.starts_with("Int8") ? "NHWC" : "NCHW";
}

}  // namespace latgrad::net
