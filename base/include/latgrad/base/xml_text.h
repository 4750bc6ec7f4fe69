// Foreign text inside XML and HTML.
//
//   svg += "<title>" + xml_text(name) + "</title>";
//
// Linear. Thread-safe: no state.

#pragma once

#include <string>
#include <string_view>

namespace latgrad::base {

// The text as the content of an element or of an attribute in double quotes. What XML does not allow,
// control characters and bytes that are not UTF-8, becomes U+FFFD.
std::string xml_text(std::string_view text);

}  // namespace latgrad::base
