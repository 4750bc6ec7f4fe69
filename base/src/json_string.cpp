#include "latgrad/base/json_string.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace latgrad::base {

namespace {

// The length of the valid UTF-8 sequence that `text` starts with, 0 where there is none.
size_t utf8_length(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (simdjson::validate_utf8(text.data(), length)) return length;
  }
  return 0;
}

// The letter of a two-character escape, 0 where the character has none.
char short_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    default:
      return 0;
  }
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    size_t length = utf8_length(text);
    if (length == 0) {
      json += "\xef\xbf\xbd";
      length = 1;
    } else if (const char escape = short_escape(text.front())) {
      json += '\\';
      json += escape;
    } else if (static_cast<unsigned char>(text.front()) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned>(text.front()));
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return json + '"';
}

}  // namespace latgrad::base
