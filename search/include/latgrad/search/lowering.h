// Lowering: the concrete Caffe2 network that an architecture describes.
//
//   Net net = lower(space, space.parse_architecture("FBNet-C"), Precision::kInt8);
//   write_netdef(net, "fbnet_c.pbtxt");
//
// Fragments (fragment.h) in a row, written in the precision: int8 fuses a ReLU into the convolution before
// it. The same code writes a single block and a whole network, so a candidate's price and its share of the
// network's price cannot differ. Linear in the operators; thread-safe: it only reads the space.

#pragma once

#include <cstdint>

#include "latgrad/net/net.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

// The peak of the activations of an architecture, by net::memory_use. Not additive over its layers.
// Errors: ValueError as Space::check.
int64_t peak_activation_bytes(const Space& space, const Architecture& arch, Precision precision);

// The parameters that the architecture has in training: as lowered, but a convolution with batch
// normalisation has its scale and shift in place of a bias. What papers print. Errors: ValueError as
// Space::check.
int64_t trained_parameters(const Space& space, const Architecture& arch, Precision precision);

// The whole network with the shapes of its parameters and input.
// Errors: ValueError as Space::check.
net::Net lower(const Space& space, const Architecture& arch, Precision precision);

// Only the part that does not depend on the architecture: stem, head, layout and quantisation changes. The
// net has a gap in place of the layers: `layers_out` is a second input with the output shape of the last
// layer, and the input of the first layer is a second output. The head of a chain stands behind the candidate
// `last` of the last layer, which counts nowhere else.
// Errors: ValueError for a chain that does not offer `last`.
net::Net lower_fixed(const Space& space, Precision precision, size_t last = 0);

// One candidate of one layer (both 0-based), in a chain behind a candidate of the layer before. An identity
// has no operators. Errors: ValueError as block_fragment.
net::Net lower_block(const Space& space, size_t layer, size_t candidate, Precision precision,
                     size_t predecessor = 0);

}  // namespace latgrad::search
