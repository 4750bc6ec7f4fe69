// Which network is the reference of a run.
//
//   std::vector<Reference> references = choose_references("mine.json", spaces, {Precision::kInt8}, nets);

#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "latgrad/profile/networks.h"
#include "latgrad/profile/reference.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

// The reference of the table, so that times are at its speed; where it has none, or without a table (an empty
// path), those of the spaces and networks, the most typical first.
std::vector<Reference> choose_references(const std::filesystem::path& lut,
                                         std::span<const search::Space> spaces,
                                         std::span<const search::Precision> precisions,
                                         std::span<const NamedNet> nets);

}  // namespace latgrad::profile
