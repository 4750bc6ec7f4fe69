// Where an operator stands, for error messages.

#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// The blob that people know an operator by: its first output, or its first input where it has none.
inline std::string main_blob(const Operator& op) {
  const auto is_named = [](const std::string& blob) { return !blob.empty(); };
  for (const auto* blobs : {&op.outputs, &op.inputs}) {
    if (const auto it = std::ranges::find_if(*blobs, is_named); it != blobs->end()) return *it;
  }
  return {};
}

inline Place operator_place(std::string source, size_t index, const Operator& op) {
  return {.file = std::move(source),
          .op_index = static_cast<int64_t>(index),
          .op_type = op.type,
          .blob = main_blob(op)};
}

}  // namespace latgrad::net
