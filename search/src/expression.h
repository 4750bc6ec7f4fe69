// Whole numbers as text in a space file: "in_channels * 3 / 2".

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace latgrad::search::internal {

using Variables = std::map<std::string, int64_t, std::less<>>;

// + - * / % with their usual precedence, parentheses, numbers and variables; a quotient is rounded down.
// Errors: ValueError without a place, saying what is wrong, for text that is no expression, a variable that
// is not known, a division by 0, and a result whose size exceeds 2^40.
int64_t evaluate(std::string_view text, const Variables& variables);

}  // namespace latgrad::search::internal
