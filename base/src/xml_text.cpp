#include "latgrad/base/xml_text.h"

#include <simdjson.h>

namespace latgrad::base {
namespace {

// U+FFFE and U+FFFF in UTF-8: valid there, but no characters of XML.
bool is_noncharacter(std::string_view text, size_t at) {
  return text.substr(at, 3) == "\xEF\xBF\xBE" || text.substr(at, 3) == "\xEF\xBF\xBF";
}

}  // namespace

std::string xml_text(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const bool is_utf8 = simdjson::validate_utf8(text.data(), text.size());
  std::string xml;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '<') {
      xml += "&lt;";
    } else if (byte == '>') {
      xml += "&gt;";
    } else if (byte == '&') {
      xml += "&amp;";
    } else if (byte == '"') {
      xml += "&quot;";
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_utf8)) {
      xml += kReplacement;
    } else if (is_noncharacter(text, i)) {
      xml += kReplacement;
      i += 2;
    } else {
      xml += text[i];
    }
  }
  return xml;
}

}  // namespace latgrad::base
