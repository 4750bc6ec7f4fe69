// How an operator of this library enters the graph: with a node written by hand, as PyTorch's own operators
// do.
//
//   if (has_tangent(x, table)) return composite::foo(x, table);  // forward mode is that of ATen's operators
//   auto node = make_node<FooNode>(x, table);                    // null where no gradient is wanted
//   if (node) node->x = SavedVariable(x, false);
//   Tensor y = below_autograd([&] { return latgrad::foo(x, table); });
//   record(node, y);
//
// torch::autograd::Function would be shorter, but torch.func refuses it, and its context of dictionaries
// costs some microseconds a call, which is as much as a small operator takes.

#pragma once

#include <torch/csrc/autograd/VariableTypeUtils.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/library.h>

#include <mutex>

#include "torch_compat.h"

namespace latgrad::ops {

using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

// A node locks its mutex_ in apply() and release_variables(): two threads may go backward through one graph.
//
// The edges of the node lead to `inputs`, in this order; its apply() must return one gradient for each.
template <typename Node, typename... Tensors>
NodePointer<Node> make_node(const Tensors&... inputs) {
  if (!torch::autograd::compute_requires_grad(inputs...)) return nullptr;
  NodePointer<Node> node = new_node<Node>();
  node->set_next_edges(torch::autograd::collect_next_edges(inputs...));
  return node;
}

// Whether an input carries a derivative of forward mode.
template <typename... Tensors>
bool has_tangent(const Tensors&... inputs) {
  return (torch::autograd::isFwGradDefined(inputs) || ...);
}

template <typename Call>
auto below_autograd(const Call& call) {
  at::AutoDispatchBelowADInplaceOrView guard;
  return call();
}

template <typename Pointer>
void record(const Pointer& node, at::Tensor& output) {
  if (node) torch::autograd::set_history(output, node);
}

// Whether a backward has to be made of operators that can be differentiated again.
template <typename... Tensors>
bool is_differentiated_again(const Tensors&... inputs) {
  return torch::autograd::compute_requires_grad(inputs...) || has_tangent(inputs...);
}

}  // namespace latgrad::ops
