// Typed handles of the operators, for the functions of the C++ interface.

#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

namespace latgrad {

template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operator(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

}  // namespace latgrad
