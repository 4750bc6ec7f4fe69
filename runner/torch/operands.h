// Kernels of several activations, without a run yet.

#pragma once

#include "kernels.h"

namespace latgrad::runner {

// Two tensors, the second stretched to the first as Caffe2 does; without a run yet.
// Errors: ValueError for shapes that do not fit.
Kernel broadcast(const lut::OperatorKey& key, const Target& target);

// Any number of tensors of one shape, `least` of them or more; without a run yet.
Kernel follow_all(const lut::OperatorKey& key, const Target& target, size_t least);

}  // namespace latgrad::runner
