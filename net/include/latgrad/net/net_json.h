// A network as JSON, for bindings: what it is made of, and what it costs without a table.

#pragma once

#include <string>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// name; inputs, parameters and values: shapes by name; operators: type, name, inputs, outputs, input_shapes,
// output_shapes (null where they are not known), macs; macs, params, other_params, peak_activation_bytes
// (null where they are not known); peak_op; live_bytes by operator; weight_bytes by type.
std::string net_json(const Net& net, const NetShapes& shapes);

}  // namespace latgrad::net
