// An operator that has no C++ function of its own, called as the TorchScript interpreter calls it.
//
//   BoxedOperator add("quantized::add", "");
//   at::Tensor sum = add(a, b, scale, zero_point).toTensor();
//
// One call at a time: the arguments are passed in memory that is kept.

#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <utility>
#include <vector>

namespace latgrad::runner {

class BoxedOperator {
 public:
  BoxedOperator(const char* name, const char* overload)
      : handle_(c10::Dispatcher::singleton().findSchemaOrThrow(name, overload)) {}

  template <typename... Arguments>
  c10::IValue operator()(Arguments&&... arguments) const {
    stack_.clear();  // an operator that threw left some
    (stack_.emplace_back(std::forward<Arguments>(arguments)), ...);
    handle_.callBoxed(&stack_);
    c10::IValue result = std::move(stack_.front());
    stack_.clear();
    return result;
  }

 private:
  c10::OperatorHandle handle_;
  mutable std::vector<c10::IValue> stack_;
};

}  // namespace latgrad::runner
