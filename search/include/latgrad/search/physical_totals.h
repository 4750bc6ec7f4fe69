// What an operator makes a device do, in five figures that add up over a network.
//
//   PhysicalTotals totals = physical_totals(net.ops[3], shapes.ops[3]);
//   totals[kMacs];
//
// A prior for the times of operators: on any device an operator takes the longer the more of these it has.
// Thread-safe, cheap.

#pragma once

#include <array>
#include <cstddef>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::search {

enum PhysicalTotal : size_t {
  kCalls,            // 1; views have none of all five
  kMacs,             // multiply-accumulates that are not depthwise
  kDepthwiseMacs,    // few operations for each byte
  kActivationBytes,  // read and written
  kParameterBytes,
  kPhysicalTotals
};

using PhysicalTotals = std::array<double, kPhysicalTotals>;

// Precondition: shapes.known.
PhysicalTotals physical_totals(const net::Operator& op, const net::OpShapes& shapes);

}  // namespace latgrad::search
