// The fields of a space file as generators of fragments.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "latgrad/search/fragment.h"
#include "latgrad/search/space.h"
#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

namespace proto = latgrad::space;

// The size of a map behind a convolution. Precondition: the kernel fits into the padded map.
int64_t convolved_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad);

// What of a stem is absent from the file: the padding that keeps the map where the stride is 1.
int64_t stem_pad(const proto::Stem& stem);

Fragment generate_stem(const proto::Space& space, Precision precision);

// A candidate in a layer, of which the channels, sizes and stride are read; nothing where it is not offered.
// Errors: ValueError for a candidate that the layer cannot have, naming `field`.
std::optional<Fragment> generate_block(const proto::Space& space, const proto::Candidate& candidate,
                                       const LayerInfo& layer, Precision precision, const std::string& source,
                                       const std::string& field);

Fragment generate_head(const proto::Head& head, const LayerInfo& last, Precision precision);
Fragment generate_classifier(const proto::Head& head, const LayerInfo& last);

}  // namespace latgrad::search::internal
