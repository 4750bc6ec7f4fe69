#include "plugin/made_up_table.h"

#include <cmath>

#include "latgrad/search/latency_model.h"

namespace latgrad::testing {

std::vector<lut::Record> made_up_records(const search::Space& space, search::Precision precision) {
  std::vector<lut::Record> records;
  for (const auto& needed : search::required_operators(space, precision)) {
    // Irrational, so that sums of different operators differ, too.
    const double time_us = 1 + std::sqrt(static_cast<double>(2 + 3 * records.size()));
    // Operators differ in how far their times scatter, so that no statistic is a multiple of another.
    const double scatter = static_cast<double>(records.size() % 7) / 7;
    records.push_back({.op_type = needed.key.op_type,
                       .op_args = lut::reference_args(needed.key),
                       .input_shapes = needed.key.input_shapes,
                       .input_dtypes = needed.key.input_dtypes,
                       .p0_us = time_us * (1 - 0.5 * scatter),
                       .p10_us = time_us * (1 - 0.25 * scatter),
                       .p50_us = time_us,
                       .p90_us = time_us * (1 + scatter),
                       .p100_us = time_us * (1 + 3 * scatter),
                       .device = kDevice});
  }
  return records;
}

}  // namespace latgrad::testing
