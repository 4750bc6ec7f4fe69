#include "json_text.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace latgrad::profile {
namespace {

// The length of the valid UTF-8 sequence that `text` starts with, 0 where there is none.
size_t utf8_length(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (simdjson::validate_utf8(text.data(), length)) return length;
  }
  return 0;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    size_t length = utf8_length(text);
    if (length == 0) {
      json += "\\ufffd";
      length = 1;
    } else if (text.front() == '"' || text.front() == '\\') {
      json += '\\';
      json += text.front();
    } else if (text.front() == '\n') {
      json += "\\n";
    } else if (static_cast<unsigned char>(text.front()) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned>(text.front()));
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return json + '"';
}

}  // namespace latgrad::profile
