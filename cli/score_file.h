// Scores of the candidates of a space, from a file.
//
//   theta.json    a list for each layer, of a logit for each candidate, null where not offered; or an object
//   whose `theta`
//                 is that, as in the log of a search: log-probabilities, softmax over each layer
//   scores.csv    lines layer,candidate,score behind a line with these names; layers from 1, candidates by
//   name or index
//
// Linear in the file.

#pragma once

#include <filesystem>
#include <vector>

#include "latgrad/search/space.h"

namespace latgrad::cli {

// [L, C]; -inf where the file has no score.
// Errors: IoError; ParseError with file and line or field for what is malformed, names a layer or candidate
// that the space does not have, or leaves a layer without a score.
std::vector<double> read_scores(const std::filesystem::path& path, const search::Space& space);

}  // namespace latgrad::cli
