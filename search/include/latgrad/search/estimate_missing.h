// Times for operators that a table lacks, on request, from those that it has.
//
//   lut::Estimate estimate = lut::estimate(net, shapes, table, options);
//   estimate_missing(estimate, net, shapes, table, options);
//   estimate.ops[3].status;         // kEstimated, with error_us
//
// A calibration for each type of operator that is missing, from the table's records of that type, or of all
// types where it has hardly any. At most some hundred records each; thread-safe.

#pragma once

#include "latgrad/lut/estimate.h"

namespace latgrad::search {

// Operators of unknown shape stay missing. The totals of `estimate` are made anew.
// Precondition: `estimate` is that of the network by the table and these options.
// Errors: ValueError for a table with fewer than three records of the device.
void estimate_missing(lut::Estimate& estimate, const net::Net& net, const net::NetShapes& shapes,
                      const lut::Table& table, const lut::EstimateOptions& options);

}  // namespace latgrad::search
