// Some of many, so that a picture of a long search is no larger than one of a short search.

#pragma once

#include <cstddef>
#include <vector>

namespace latgrad::cli::report {

// Ascending indices below `count`, evenly spread with the first and the last one among them; all of them
// where they are not more than `most`. Precondition: `most` is at least 2.
std::vector<size_t> evenly_spread(size_t count, size_t most);

}  // namespace latgrad::cli::report
