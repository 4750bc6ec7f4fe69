// Parts of a whole as bars, with times and percentages.
//
//   html += share_bars("operator type", spent.types, spent.total_us);
//
// An HTML table of one row for each share.

#pragma once

#include <string>
#include <vector>

#include "report/breakdown.h"

namespace latgrad::cli::report {

// Empty without shares.
std::string share_bars(const char* heading, const std::vector<Share>& shares, double whole_us);

}  // namespace latgrad::cli::report
