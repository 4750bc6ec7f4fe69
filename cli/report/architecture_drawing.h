// A picture of an architecture: its blocks in order, as high and as bright as they are slow.
//
//   html += architecture_drawing(run, pick, break_down(run, pick));
//
// If the space of the run is known, blocks are grouped by map size, so the sizes show where the network
// downsamples. An HTML list, which wraps at the edge of any screen.

#pragma once

#include <cstddef>
#include <string>

#include "report/breakdown.h"
#include "report/run_folder.h"

namespace latgrad::cli::report {

inline constexpr size_t kMostLayers = 1'000;

// Empty for a pick without layers. Precondition: it has at most kMostLayers.
std::string architecture_drawing(const Run& run, const Pick& pick, const Breakdown& spent);

}  // namespace latgrad::cli::report
