// A network of one operator, from its key or a record of it.
//
//   const net::Net net = operator_net(record_key(table.record(7)));
//   net::infer_shapes(net, {.allow_unknown = true}).ops[0];       // with the shapes of its outputs

#pragma once

#include "latgrad/lut/operator_key.h"
#include "latgrad/lut/table.h"
#include "latgrad/net/net.h"

namespace latgrad::lut {

net::Net operator_net(const OperatorKey& key);

// Errors: ParseError for an argument that is not protobuf text.
OperatorKey record_key(const Record& record);

}  // namespace latgrad::lut
