// The parts of a network as fragments of a net: operators with one named input and one named output.
//
//   Fragment block = block_fragment(space, /*layer=*/2, /*candidate=*/7, Precision::kInt8);
//   block.ops[0];                          // Conv in,expand_w,expand_b -> expand_conv kernel=1 ...
//   block.parameters.at("expand_w");       // [96, 16, 1, 1]
//
// A network is fragments in a row: the stem, one block in each layer, the head, the classifier; a softmax
// follows. lower() (lowering.h) writes them as a Caffe2 network, and a supernet is built from the very same
// fragments, so what is trained is what is priced. Fragments are float32 in NCHW whatever the precision,
// which decides only which ReLUs and biases are there. Cheap; thread-safe: it only reads the space.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "latgrad/net/net.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

struct Fragment {
  std::string input = "in";
  std::string output = "in";            // an identity has no operators, and its input is its output
  std::vector<net::Operator> ops = {};  // in execution order
  std::map<std::string, net::TensorInfo, std::less<>> parameters = {};  // of the operators, by blob name
  // What those convolutions write behind which no batch normalisation stands in training.
  std::set<std::string, std::less<>> without_norm = {};

  bool operator==(const Fragment&) const = default;
};

// The convolution before the first layer, and what makes tokens of its map; an identity where the layers read
// the image itself.
Fragment stem_fragment(const Space& space, Precision precision);

// One candidate of one layer, both counted from 0. In a chain it stands behind the candidate `predecessor` of
// the layer before, which counts nowhere else.
// Errors: ValueError when any is out of range, the candidate is not offered, or it does not fit.
Fragment block_fragment(const Space& space, size_t layer, size_t candidate, Precision precision,
                        size_t predecessor = 0);

// The 1x1 convolution behind the last layer; an identity where the space has none. Of tokens, the norm. In a
// chain, behind the candidate `last` of the last layer, which counts nowhere else.
// Errors: ValueError when that is not offered.
Fragment head_fragment(const Space& space, Precision precision, size_t last = 0);

// The average pool over the whole map, a hidden layer where the space has one, and the fully connected layer
// that writes the logits. Of tokens, the class token or their mean, and on. The same in every precision.
// `last` and errors as of head_fragment.
Fragment classifier_fragment(const Space& space, size_t last = 0);

}  // namespace latgrad::search
