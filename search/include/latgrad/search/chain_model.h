// The latency model of a chain: what each candidate of each layer takes behind each candidate of the layer
// before, from which it reads its channels.
//
//   ChainModel model = build_chain_model(space, table, {.precision = Precision::kInt8});
//   model.by(p90).fixed_us + sum over layers of model.at(layer, arch[layer - 1], arch[layer], p90)
//       ==   price of lower(space, arch) by p90, and so for every statistic
//
// The layout is that of latgrad::chain_latency. A space that is no chain has one as well: the rows of a
// layer's offered predecessors are the same. Built in parallel with oneTBB, O(layers * candidates^2) in time
// and memory; the same bits for any number of threads. A plain value afterwards.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "latgrad/search/latency_model.h"

namespace latgrad::search {

struct ChainModel {
  size_t num_layers = 0;
  size_t num_candidates = 0;  // of the widest layer
  // One for each of lut::kStatistics: what is the same in every architecture, and [layers, predecessors,
  // candidates], row-major; 0 where not valid. The first layer has one predecessor, 0. The last layer's
  // entries hold what stands behind it and depends on its channels: the head's convolution, or the
  // classifier.
  std::array<Prices, lut::kStatistics.size()> prices;
  bool fixed_complete = true;  // false: fixed_us lacks an operator without a record
  std::vector<uint8_t> valid;  // [layers, predecessors, candidates]; 1: both are offered, fit and are priced
  std::vector<MissingOperator> missing;  // distinct operators without a record; empty in a complete model
  std::string device;
  Precision precision = Precision::kInt8;

  const Prices& by(lut::Statistic statistic) const { return prices[static_cast<size_t>(statistic)]; }
  double at(size_t layer, size_t predecessor, size_t candidate,
            lut::Statistic statistic = lut::Statistic::kP50) const {
    return by(statistic).table_us[cell(layer, predecessor, candidate)];
  }
  bool is_valid(size_t layer, size_t predecessor, size_t candidate) const {
    return valid[cell(layer, predecessor, candidate)] != 0;
  }
  size_t cell(size_t layer, size_t predecessor, size_t candidate) const {
    return (layer * num_candidates + predecessor) * num_candidates + candidate;
  }

  // The price of an architecture.
  // Errors: ValueError for a wrong length, an index out of range, a pair that is not valid; for an incomplete
  // fixed part.
  double estimate_us(const Architecture& arch, lut::Statistic statistic = lut::Statistic::kP50) const;
};

// A missing operator is not an error: it is listed, and the pairs that need it are not valid.
// Errors: ValueError when the device is not in the table, or for more than 2^27 entries.
ChainModel build_chain_model(const Space& space, const lut::Table& table,
                             const LatencyModelOptions& options = {});

}  // namespace latgrad::search
