// The memory that a network needs, from its shapes alone.
//
//   MemoryUse use = memory_use(net, infer_shapes(net));
//   use.peak_activation_bytes;              // while operator use.peak_op runs
//   use.weight_bytes.at(DataType::kFloat);
//
// Peak memory is not the sum of anything: a tensor lives from the operator that writes it to the last one
// that reads it. Linear in the number of operators. Thread-safe: it keeps no state.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// The bytes of one element; 0 for strings and undefined types, whose size no shape tells.
int64_t element_bytes(DataType dtype);

struct MemoryUse {
  // What is alive while each operator runs, its inputs and outputs among it; in order of execution.
  std::vector<int64_t> live_bytes;
  int64_t peak_activation_bytes = 0;
  size_t peak_op = 0;  // the first operator at the peak
  // Of the parameters that operators read, by type.
  std::map<DataType, int64_t> weight_bytes;
  // False: an operator of unknown shapes may need more.
  bool complete = true;
};

// Activations in the order of execution: data inputs live from the start, outputs of the network to the end,
// everything else from the operator that writes it to the last one that reads it. An operator that writes in
// place needs no second tensor, nor one that gives the same elements in another shape
// (OperatorType::is_view); any other operator has its inputs and outputs side by side. Workspaces are the
// engine's, and not counted. Errors: NetError for sizes beyond 64 bits.
MemoryUse memory_use(const Net& net, const NetShapes& shapes);

}  // namespace latgrad::net
