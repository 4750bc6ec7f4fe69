// What differs between the versions of torch that latgrad supports, 1.13 to 2.x: in this file and nowhere
// else.

#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function.h>
#include <torch/library.h>
#include <torch/version.h>

#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

namespace latgrad {

// How every operator of the library is tagged. <torch/library.h> must come first: it defines the macro.
#ifdef HAS_PT2_COMPLIANT_TAG
inline const std::vector<at::Tag> kOperatorTags = {at::Tag::pt2_compliant_tag};
#else
inline const std::vector<at::Tag> kOperatorTags = {};
#endif

// How an operator says what it is made of under torch.func.vmap came with 2.0.
#if TORCH_VERSION_MAJOR >= 2
#define LATGRAD_HAS_BATCHED_DECOMPOSITION
#endif

// What a `T?` of a schema is in C++: a class of its own before 2.4.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
template <typename T>
using Optional = std::optional<T>;
#else
template <typename T>
using Optional = c10::optional<T>;
#endif

// Nothing for an object that is not defined.
template <typename T>
Optional<T> if_defined(const T& object) {
  return object.defined() ? Optional<T>(object) : Optional<T>();
}

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

// The counted pointer to a node, from within it.
template <typename Node>
auto pointer_to(Node& node) {
  if constexpr (requires { node.getptr(); }) {
    return node.getptr();
  } else {
    return node.shared_from_this();
  }
}

}  // namespace latgrad
