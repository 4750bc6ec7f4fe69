// What takes several nodes in ONNX, and is one operator of the vocabulary.

#pragma once

#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// Replaces, in a network of ONNX:
// - Reshape, Transpose, Reshape that shuffle the groups of the channels by ChannelShuffle;
// - a Flatten (or Reshape, Squeeze) before FC, which flattens itself;
// - where `merges_norms`, a batch normalisation behind a convolution, which gets a bias.
// Values that only the replaced operators read become constants of the network: nothing writes them any more.
// Linear in the number of operators.
void merge_patterns(Net& net, std::vector<OpShapes>& shapes, bool merges_norms);

}  // namespace latgrad::net
