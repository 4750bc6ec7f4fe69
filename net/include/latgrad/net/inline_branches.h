// Branches that are known without running the network.

#pragma once

#include "latgrad/net/net.h"

namespace latgrad::net {

// Replaces each `If` with the operators of one branch, including nested ones: the branch that is taken, if
// the condition is known without running the network, or the only branch with operators. Subnets share the
// blobs of the network, as in Caffe2. Precondition: the shapes of the inputs are set. Errors: as infer_shapes
// with everything allowed; NetError beyond a million operators.
void inline_branches(Net& net);

}  // namespace latgrad::net
