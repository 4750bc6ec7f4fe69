// What differs between the versions of torch that latgrad supports, 1.13 to 2.x: in this file and nowhere
// else.

#pragma once

#include <torch/library.h>
#include <torch/version.h>

#include <vector>

namespace latgrad {

// How every operator of the library is tagged. <torch/library.h> must come first: it defines the macro.
#ifdef HAS_PT2_COMPLIANT_TAG
inline const std::vector<at::Tag> kOperatorTags = {at::Tag::pt2_compliant_tag};
#else
inline const std::vector<at::Tag> kOperatorTags = {};
#endif

}  // namespace latgrad
