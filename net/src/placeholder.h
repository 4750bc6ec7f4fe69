// Data that an init net fills: every mobile exporter writes a placeholder for the network's input there.

#pragma once

#include <cstddef>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Whether the operator, the first to read its blob, takes it for its image, and not for a weight or an
// operand of arithmetic.
bool reads_as_image(const Net& net, const Operator& op, size_t input);

// Whether it does, and the init net fills the blob with nothing that has a shape to speak of, so that
// somebody must say it.
bool reads_placeholder(const Net& net, const Operator& op, size_t input);

}  // namespace latgrad::net
