// shapes.json: the shapes of a network's inputs and parameters beside its NetDef.
//
//   {"inputs": {"data": [1, 3, 224, 224]}, "params": {"conv_w": [16, 3, 3, 3]}}

#pragma once

#include <string>
#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Fills `net.inputs` (float) and those `net.parameters` that are not known yet; the file has no types, so a
// parameter's type is the one that its operator expects. Other keys are passed over.
// Errors: ParseError.
void add_shapes_json(Net& net, std::string_view json, const std::string& source);

}  // namespace latgrad::net
