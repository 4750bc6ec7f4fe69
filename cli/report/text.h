// Small texts that the parts of the report have in common.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace latgrad::cli::report {

// At most `letters` code points of UTF-8, the last one an ellipsis where some are left out.
std::string shortened(std::string_view text, size_t letters);

// "12.3 %"; of nothing, 0 %.
std::string share_text(double part, double whole);

}  // namespace latgrad::cli::report
