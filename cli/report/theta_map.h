// How the architecture parameters of a search moved: a small heat map for each layer.
//
//   html += theta_maps(run, final_pick(run));
//
// Rows are candidates, columns epochs, the colour is the probability softmax(theta). A candidate that is not
// offered is hatched, the candidate of `pick` bold. Of a long search, an even choice of epochs is shown.
// Neighbours of one colour are one stroke, so that layers that have settled cost little: 22 layers of nine
// candidates take some 80 kB, and twice that where theta jumps about.

#pragma once

#include <cstddef>
#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

// softmax over the candidates that have a number; the others stay nothing.
Numbers probabilities(const Numbers& theta);

// Maps of all layers and their rows, each counted as one.
size_t count_rows(const Run& run);

inline constexpr size_t kMostRows = 5'000;

// Empty where the log has no theta. Precondition: count_rows(run) is at most kMostRows.
std::string theta_maps(const Run& run, const Pick& pick);

}  // namespace latgrad::cli::report
