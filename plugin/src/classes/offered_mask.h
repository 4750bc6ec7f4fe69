// Which candidates a space offers, as a tensor.

#pragma once

#include <ATen/core/Tensor.h>

#include "latgrad/search/space.h"

namespace latgrad {

// bool [L, C]; false where a layer has fewer candidates than the widest one.
at::Tensor offered_mask(const search::Space& space);

}  // namespace latgrad
