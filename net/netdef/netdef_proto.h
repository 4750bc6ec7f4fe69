// Between latgrad's own network form and the messages that protobuf generates from netdef.proto.

#pragma once

#include "latgrad/net/net.h"
#include "latgrad/netdef.pb.h"

namespace latgrad::net {

Argument from_proto(const netdef::Argument& message);
Net from_proto(const netdef::NetDef& message);

void to_proto(const Argument& arg, netdef::Argument& message);
void to_proto(const Operator& op, netdef::OperatorDef& message);
// `parameters`, `inputs` and `source` have no place in a NetDef.
void to_proto(const Net& net, netdef::NetDef& message);

}  // namespace latgrad::net
