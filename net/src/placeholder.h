// Data that an init net fills: every mobile exporter writes a placeholder for the network's input there.

#pragma once

#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Whether `blob`, which the init net fills, is read as data: the first operator that reads it takes it for
// its image, not for a weight or an operand of arithmetic. Linear in the operators.
bool is_data_of_init_net(const Net& net, std::string_view blob);

// Whether it also has no shape to speak of, so that somebody must say it.
bool is_placeholder(const Net& net, std::string_view blob);

}  // namespace latgrad::net
