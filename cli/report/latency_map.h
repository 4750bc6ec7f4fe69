// The latency table of a run as a heat map that also shows the numbers.
//
//   html += latency_map(*run.table, final_pick(run));
//
// An HTML table: a row for each layer, a column for each name that a candidate has, microseconds in the
// cells. A candidate that is not offered is hatched, those of `pick` are outlined. A row has a cell for every
// name there is, so layers that share no name cost layers times names.

#pragma once

#include <cstddef>
#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

// The largest time of the table, for which the last colour stands; 0 where there is none.
double largest_us(const LatencyTable& table);

// Names of candidates, each counted once.
size_t count_names(const LatencyTable& table);

inline constexpr size_t kMostCells = 20'000;

// Empty for a table without layers. Precondition: layers, and layers times names, are at most kMostCells.
std::string latency_map(const LatencyTable& table, const Pick& pick);

}  // namespace latgrad::cli::report
