// The mark that some editors put before UTF-8 text.

#pragma once

#include <string_view>

namespace latgrad::base {

inline std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

}  // namespace latgrad::base
