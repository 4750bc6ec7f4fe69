// Lists of names for messages, up to a maximum number.
//
//   listed({"a", "b", "c", "d"}, 2);        // "a, b and 2 more"
//   listed_lines({"a", "b", "c", "d"}, 2);  // "  a\n  b\n  and 2 more\n"
//
// Linear. Thread-safe: no state.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace latgrad::base {

std::string listed(const std::vector<std::string>& names, size_t most);

// One name per line.
std::string listed_lines(const std::vector<std::string>& names, size_t most);

}  // namespace latgrad::base
