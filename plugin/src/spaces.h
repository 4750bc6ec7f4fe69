// The spaces that come with latgrad, for the Python package, which knows where it lies.

#pragma once

#include <ATen/core/List.h>

#include <string>

namespace latgrad {

// search::find_space. Errors: c10::ValueError that lists the spaces there are.
std::string find_space(const std::string& space, const c10::List<std::string>& folders);

}  // namespace latgrad
