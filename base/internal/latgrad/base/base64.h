// Bytes as text, in base64 (RFC 4648).

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latgrad::base {

std::string to_base64(std::string_view bytes);

// Nothing where it is not base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace latgrad::base
