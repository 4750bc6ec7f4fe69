// How the architecture parameters of a search moved: a small heat map for each layer.
//
//   html += theta_maps(run, final_pick(run));
//
// Rows are candidates, columns epochs, the colour is the probability softmax(theta). A candidate that is not
// offered is hatched, the candidate of `pick` bold. Of a long search, an even choice of epochs is shown.
// Neighbours of one colour are one stroke, so that layers that have settled cost little: 22 layers of nine
// candidates take some 80 kB, and twice that where theta jumps about.

#pragma once

#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

// softmax over the candidates that have a number; the others stay nothing.
Numbers probabilities(const Numbers& theta);

// Empty where the log has no theta.
std::string theta_maps(const Run& run, const Pick& pick);

}  // namespace latgrad::cli::report
