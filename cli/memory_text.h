// The memory of a network, as the commands show it.

#pragma once

#include <string>

#include "latgrad/base/json.h"
#include "latgrad/net/memory.h"

namespace latgrad::cli {

// "4.8 MB of activations at op 1 Relu; weights 21.8 MB of float32".
std::string memory_text(const net::Net& net, const net::MemoryUse& use);

// Adds peak_activation_bytes and peak_op, null where an operator of unknown type may need more, and
// weight_bytes by type.
void add_memory(base::Json& json, const net::MemoryUse& use);

}  // namespace latgrad::cli
