// The computation of the parts of a network, for a supernet that trains exactly what the latency model
// prices.
//
//   FixedPart fixed = fixed_part(space, Precision::kInt8);            // stem, head, classes
//   Block block = block_at(space, /*layer=*/2, /*candidate=*/7, Precision::kInt8);
//   for (const Convolution& conv : block.convolutions) ...            // and the input is added if
//   block.residual
//
// A network is: the stem; one block in each layer; the head; an average pool over the whole map; a fully
// connected layer to `classes`; a softmax. lower() (lowering.h) writes its operators from the same plan.
// Cheap; thread-safe: it only reads the space.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/search/space.h"

namespace latgrad::search {

// A square convolution, followed by a ReLU and a channel shuffle where the space says so.
struct Convolution {
  std::string
      role;  // "stem", "expand", "dw", "dw1", "dw2", ..., "project", "head": the end of its blob's name
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t pad = 0;  // on all four sides
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  bool relu = false;
  bool shuffled = false;  // a channel shuffle over `groups`

  bool operator==(const Convolution&) const = default;
};

struct Block {
  std::vector<Convolution> convolutions = {};  // in order; none in an identity
  bool residual = false;                       // the block's input is added to the result of the last one

  bool operator==(const Block&) const = default;
};

// The part that does not depend on the architecture.
struct FixedPart {
  std::optional<Convolution> stem = {};  // nothing: the layers read the image itself
  std::optional<Convolution> head = {};  // a 1x1 convolution; nothing: the last layer is pooled
  int64_t pooled_channels = 0;           // what the fully connected layer reads
  int64_t classes = 0;
};

// One candidate of one layer, both counted from 0.
// Errors: ValueError when the candidate is out of range or not offered.
Block block_at(const Space& space, size_t layer, size_t candidate, Precision precision);

FixedPart fixed_part(const Space& space, Precision precision);

}  // namespace latgrad::search
