// Init nets: Caffe2 networks that fill the parameters of another network. Their values are not kept.

#pragma once

#include <string>
#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Adds the shapes and types of an init net (binary or text; the content decides) to `net.parameters`.
// Errors: ParseError, NetError as read_net.
void add_init_net(Net& net, std::string_view bytes, const std::string& source);

// The init net of the same parameters: fill operators with a shape and no values.
Net init_net(const Net& net);

}  // namespace latgrad::net
