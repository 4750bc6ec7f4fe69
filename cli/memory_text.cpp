#include "memory_text.h"

#include <fmt/format.h>

#include "quantities.h"

namespace latgrad::cli {

std::string memory_text(const net::Net& net, const net::MemoryUse& use) {
  std::string text =
      fmt::format("{}{} of activations at op {} {}", use.complete ? "" : "at least ",
                  format_bytes(use.peak_activation_bytes), use.peak_op, net.ops[use.peak_op].type);
  const char* separator = "; weights ";
  for (const auto& [dtype, bytes] : use.weight_bytes) {
    text += fmt::format("{}{} of {}", separator, format_bytes(bytes), net::to_string(dtype));
    separator = ", ";
  }
  return text;
}

void add_memory(base::Json& json, const net::MemoryUse& use) {
  json["peak_activation_bytes"] = use.complete ? base::Json(use.peak_activation_bytes) : base::Json();
  json["peak_op"] = use.complete ? base::Json(use.peak_op) : base::Json();
  json["weight_bytes"] = base::Json::object();
  for (const auto& [dtype, bytes] : use.weight_bytes)
    json["weight_bytes"][std::string(net::to_string(dtype))] = bytes;
}

}  // namespace latgrad::cli
