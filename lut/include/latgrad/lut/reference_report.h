// The published LUT tool's own report.

#pragma once

#include <string>

#include "latgrad/lut/estimate.h"

namespace latgrad::lut {

// What the published tool prints for the network, byte for byte. `estimate` must come from
// Matching::kReference. Source: `get_net_runtime` of the published tool, verbose.
std::string reference_report(const net::Net& net, const net::NetShapes& shapes, const Table& table,
                             const Estimate& estimate);

}  // namespace latgrad::lut
