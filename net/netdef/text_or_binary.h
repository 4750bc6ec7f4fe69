// Whether a file is protobuf text or binary, by its content: names lie.

#pragma once

#include <algorithm>
#include <string_view>

namespace latgrad::net {

// Text holds no control characters but white space, and a binary NetDef with an operator always holds one:
// the tag of `op` is 0x12.
inline bool is_binary(std::string_view bytes) {
  return std::ranges::any_of(
      bytes, [](unsigned char c) { return (c < 0x20 && (c < '\t' || c > '\r')) || c == 0x7f; });
}

}  // namespace latgrad::net
