// Data that an init net fills: every mobile exporter writes a placeholder for the network's input there.

#pragma once

#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Whether an operator that is the first to read a blob takes it for its image, not for a weight or an operand
// of arithmetic.
bool reads_as_image(const Net& net, const Operator& op, size_t input);

// Whether the init net fills `blob` with data that has no shape to speak of, so that somebody must say it.
// Linear in the operators for a blob of at most one element, else O(log parameters).
bool is_placeholder(const Net& net, std::string_view blob);

}  // namespace latgrad::net
