// The latency table of a run as a heat map that one can read the numbers of.
//
//   html += latency_map(*run.table, final_pick(run));
//
// An HTML table: a row for each layer, a column for each name that a candidate has, microseconds in the
// cells. A candidate that is not offered is hatched, those of `pick` are outlined.

#pragma once

#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

// The largest time of the table, for which the last colour stands; 0 where there is none.
double largest_us(const LatencyTable& table);

// Empty for a table without layers.
std::string latency_map(const LatencyTable& table, const Pick& pick);

}  // namespace latgrad::cli::report
