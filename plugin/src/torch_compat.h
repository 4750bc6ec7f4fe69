// What differs between the versions of torch that latgrad supports, 1.13 to 2.x: in this file and nowhere
// else.

#pragma once

#include <torch/csrc/autograd/function.h>
#include <torch/library.h>
#include <torch/version.h>

#include <memory>
#include <type_traits>
#include <vector>

namespace latgrad {

// How every operator of the library is tagged. <torch/library.h> must come first: it defines the macro.
#ifdef HAS_PT2_COMPLIANT_TAG
inline const std::vector<at::Tag> kOperatorTags = {at::Tag::pt2_compliant_tag};
#else
inline const std::vector<at::Tag> kOperatorTags = {};
#endif

// A node of the autograd graph is counted by itself in newer versions, by a std::shared_ptr in older ones.
inline constexpr bool kNodeCountsItself = std::is_base_of_v<c10::intrusive_ptr_target, torch::autograd::Node>;

template <typename Node>
using NodePointer = std::conditional_t<kNodeCountsItself, c10::intrusive_ptr<Node>, std::shared_ptr<Node>>;

template <typename Node>
NodePointer<Node> new_node() {
  if constexpr (kNodeCountsItself) {
    return c10::make_intrusive<Node>();
  } else {
    return std::make_shared<Node>();
  }
}

}  // namespace latgrad
