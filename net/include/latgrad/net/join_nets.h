// Networks in a row, as one network: what a part writes, the next one reads.
//
//   Net network = join_nets({{"stem", stem}, {"layers.0", block}, {"head", head}});
//
// Linear in the operators. Thread-safe: no state.

#pragma once

#include <string>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::net {

struct NetPart {
  std::string name;
  const Net& net;
};

// Blobs and operators get the name of their part in front: `layers.0/w`, `/layers.0/conv/Conv`. A part
// without operators passes on what it gets. The inputs of the result are those of the first part, its outputs
// those of the last one.
// Errors: ValueError for no part, for parts that write another number of tensors than the next one reads,
// and for shapes that differ, naming the parts.
Net join_nets(const std::vector<NetPart>& parts);

}  // namespace latgrad::net
