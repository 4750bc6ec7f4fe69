// A LUT with made-up times for everything that a space needs.

#pragma once

#include <string>
#include <vector>

#include "latgrad/lut/table.h"
#include "latgrad/search/space.h"

namespace latgrad::testing {

inline constexpr char kDevice[] = "made-up";

// One record per operator, each with a time of its own so that a mix-up shows.
std::vector<lut::Record> made_up_records(const search::Space& space, search::Precision precision);
// The same for what networks need, given as files.
std::vector<lut::Record> made_up_records(const std::vector<std::string>& nets);

}  // namespace latgrad::testing
