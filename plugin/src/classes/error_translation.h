// The border between the core's errors and PyTorch's: every call into lut and search from here goes through
// it.
//
// | core                                      | C++             | Python       |
// |-------------------------------------------|-----------------|--------------|
// | latgrad::ValueError                       | c10::ValueError | ValueError   |
// | every other latgrad::Error (files, nets)  | c10::Error      | RuntimeError |

#pragma once

#include <exception>
#include <utility>

namespace latgrad {

// Throws the error that is being handled again, as PyTorch's. Only inside a catch block.
[[noreturn]] void rethrow_as_torch_error();

// Returns what `call` returns.
template <typename Call>
auto translate_errors(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (...) {
    rethrow_as_torch_error();
  }
}

}  // namespace latgrad
