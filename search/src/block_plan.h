// A candidate in a layer, or the stem, or the head: what convolutions it is made of.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "latgrad/search/space.h"
#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

namespace proto = latgrad::space;

struct ConvPlan {
  std::string role = {};  // "expand", "dw", ...: the last part of blob names
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t pad = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool depthwise = false;
  bool shuffled = false;  // a channel shuffle over `groups` follows
  proto::When relu = proto::NEVER;
  proto::When bias = proto::ALWAYS;
};

struct BlockPlan {
  bool offered = true;
  std::vector<ConvPlan> convs = {};  // empty in an identity
  bool residual = false;             // the block's input is added to the last convolution
};

bool holds(proto::When when, Precision precision);

// The size of a map behind a convolution or pool. Precondition: the kernel fits into the padded map.
int64_t convolved_size(int64_t size, const ConvPlan& conv);

// `layer` needs its channels, sizes and stride; the field of an error is relative to the candidate.
// Errors: ValueError for a candidate that the layer cannot have.
BlockPlan plan_block(const proto::Space& space, const proto::Candidate& candidate, const LayerInfo& layer,
                     const std::string& source, const std::string& field);

}  // namespace latgrad::search::internal
