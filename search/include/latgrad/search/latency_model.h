// The latency model of a space on a device: the latency of every candidate of every layer, and the fixed
// part.
//
//   LatencyModel model = build_latency_model(space, table, {.precision = Precision::kInt8});
//   model.by(p90).fixed_us + sum over layers of model.at(layer, arch[layer], p90)
//       ==   price of lower(space, arch) by p90, and so for every statistic
//
// Built in parallel with oneTBB, O(layers * candidates); the same bits for any number of threads. A plain
// value afterwards.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "latgrad/lut/estimate.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

// An operator without a record, and where it is needed.
struct MissingOperator {
  lut::OperatorKey key;
  std::vector<std::string> used_by;  // "layer 3 k5_e6", "fixed"
};

// The latencies of the parts of an architecture under one statistic, each the sum over its operators.
struct Prices {
  double fixed_us = 0;           // stem, head, layout changes
  std::vector<double> table_us;  // [layers, candidates], row-major; 0 where not valid
};

struct LatencyModel {
  size_t num_layers = 0;
  size_t num_candidates = 0;                           // of the widest layer
  std::array<Prices, lut::kStatistics.size()> prices;  // one for each of lut::kStatistics
  bool fixed_complete = true;                          // false: fixed_us lacks an operator without a record
  std::vector<uint8_t> valid;                          // [layers, candidates]; 1: offered and priced
  std::vector<MissingOperator> missing;  // distinct operators without a record; empty in a complete model
  std::string device;
  Precision precision = Precision::kInt8;

  const Prices& by(lut::Statistic statistic) const { return prices[static_cast<size_t>(statistic)]; }
  double at(size_t layer, size_t candidate, lut::Statistic statistic = lut::Statistic::kP50) const {
    return by(statistic).table_us[layer * num_candidates + candidate];
  }
  bool is_valid(size_t layer, size_t candidate) const {
    return valid[layer * num_candidates + candidate] != 0;
  }

  // The price of an architecture.
  // Errors: ValueError for a wrong length, an index out of range or not valid; for an incomplete fixed part.
  double estimate_us(const Architecture& arch, lut::Statistic statistic = lut::Statistic::kP50) const;

  // The distance between fast and slow runs of every candidate: the sum of p90 - p10 over its operators;
  // [layers, candidates], row-major, 0 where not valid. It equals the spread of the block's time where its
  // operators slow down together, and in practice exceeds it where they are independent: see docs/risk.md.
  // Negative only where the percentiles of a record do not ascend.
  std::vector<double> spread_us() const;
};

struct LatencyModelOptions {
  Precision precision = Precision::kInt8;
  std::string device;  // empty: table.default_device()
  lut::Mode mode = lut::Mode::kAve;
};

// A missing operator is not an error: it is listed, and its candidate is not valid.
// Errors: ValueError when the device is not in the table; for a chain, which has a model of pairs
// (chain_model.h).
LatencyModel build_latency_model(const Space& space, const lut::Table& table,
                                 const LatencyModelOptions& options = {});

// The distinct operators (by meaning) that pricing every architecture of the space needs, in the order of the
// fixed part, then the layers; `used_by` names each user once, with layers counted from 1. A chain's hold
// those behind every predecessor; what depends on the last layer's channels counts as used by its candidates.
std::vector<MissingOperator> required_operators(const Space& space, Precision precision);

}  // namespace latgrad::search
