// Escapes untrusted text for XML and HTML.
//
//   svg += "<title>" + xml_text(name) + "</title>";
//
// Linear. Thread-safe: no state.

#pragma once

#include <string>
#include <string_view>

namespace latgrad::base {

// The text as the content of an element or of an attribute in double quotes. Control characters and bytes
// that are not UTF-8, which XML does not allow, become U+FFFD.
std::string xml_text(std::string_view text);

}  // namespace latgrad::base
