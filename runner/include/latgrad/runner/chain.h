// A network as a runner takes it: its operators in execution order, and which feeds which.
//
//   Chain chain = make_chain(net, net::infer_shapes(net));
//   chain[5].sources[0];    // 4: the first input of operator 5 is the first output of operator 4
//
// An operator is measured inside a chain because that is how a network runs it: its predecessor has just
// written its input, and its weights were last read one whole run ago.

#pragma once

#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::runner {

// An input that no operator of the chain writes: a parameter, or the input of the network.
inline constexpr int kOutside = -1;

struct ChainOperator {
  lut::OperatorKey key;
  // By input of the key: the earlier operator of the chain whose first output it is, or kOutside.
  std::vector<int> sources;
};

using Chain = std::vector<ChainOperator>;

// Operators of unknown shape are left out; what they write comes from outside.
// Precondition: shapes = infer_shapes(net).
Chain make_chain(const net::Net& net, const net::NetShapes& shapes);

// A network of such operators, which make_chain makes this chain of: for runners that take whole networks.
// Values of parameters are not known, nor are outputs behind the first that others read: those come from
// outside. It ends with what no operator reads.
net::Net chain_net(const Chain& chain);

}  // namespace latgrad::runner
