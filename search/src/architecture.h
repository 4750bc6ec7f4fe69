// Architectures as text, and their check against the layers of a space. `place` is that of the architecture,
// for errors.

#pragma once

#include <cstdint>
#include <string_view>

#include "latgrad/base/error.h"
#include "latgrad/search/space.h"
#include "layer_name.h"
#include "space_impl.h"

namespace latgrad::search::internal {

// Errors: ValueError for a wrong length, an index out of range, a candidate that is not offered, or that does
// not fit behind that of the layer before.
void check_architecture(const SpaceImpl& space, const Architecture& arch, LayerCount count,
                        const Place& place);

// The same for one layer (0-based, in range).
void check_choice(const SpaceImpl& space, size_t layer, int64_t candidate, LayerCount count,
                  const Place& place);

// Errors: ValueError when the layer or the candidate, both 0-based, is out of range, or the candidate is not
// offered.
void check_offered(const SpaceImpl& space, size_t layer, size_t candidate);

// The same, and as check_fits.
void check_pair(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate);

// For a chain; nothing elsewhere. Precondition: the candidate is offered.
// Errors: ValueError when the predecessor is out of range or the candidate does not fit behind it.
void check_fits(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate, LayerCount count,
                const Place& place);

// What the last layer writes with the candidate `last`, which counts only in a chain.
// Errors: ValueError for a chain that does not offer it.
int64_t last_channels(const SpaceImpl& space, size_t last);

// Digits, indices or candidate names: everything but the name of an architecture.
// Errors: ValueError.
Architecture parse_choices(const SpaceImpl& space, std::string_view text, const Place& place);

// Without white space and commas around it.
std::string_view trimmed(std::string_view text);

}  // namespace latgrad::search::internal
