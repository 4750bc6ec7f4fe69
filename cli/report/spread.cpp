#include "report/spread.h"

#include <algorithm>

namespace latgrad::cli::report {

std::vector<size_t> evenly_spread(size_t count, size_t most) {
  const size_t taken = std::min(count, most);
  std::vector<size_t> indices;
  for (size_t i = 0; i < taken; ++i) {
    indices.push_back(taken == 1 ? 0 : (i * (count - 1) + (taken - 1) / 2) / (taken - 1));
  }
  return indices;
}

}  // namespace latgrad::cli::report
