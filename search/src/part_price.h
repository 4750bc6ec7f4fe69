// The parts of a space priced by a table, for the models of latency_model.h and chain_model.h.

#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

#include "latgrad/lut/estimate.h"
#include "latgrad/net/net.h"
#include "latgrad/search/space.h"

namespace latgrad::search::internal {

struct Price {
  std::array<double, lut::kStatistics.size()> found_us{};  // one for each of lut::kStatistics
  std::vector<lut::OperatorKey> missing;
};

// Of the operators that `is_part` accepts by index.
Price price(
    const net::Net& net, const lut::Table& table, const lut::EstimateOptions& options,
    const std::function<bool(size_t)>& is_part = [](size_t) { return true; });

// Whether each operator of lower_fixed depends on what the last layer chooses, as the head of a chain does.
std::vector<bool> depends_on_last(const Space& space, Precision precision);

// For each predecessor of a layer (the first layer has one), the first that is offered and has as many
// channels: behind it, candidates are the same. 0 where it is not offered.
std::vector<size_t> first_alike(const Space& space, size_t layer);

// Calls visit(layer, predecessor, candidate) for every candidate behind every number of channels that it fits
// to, the predecessors innermost. Linear in the candidates of a space that is no chain.
template <typename Visit>
void for_each_block(const Space& space, const Visit& visit) {
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const std::vector<size_t> alike = first_alike(space, layer);
    std::vector<size_t> predecessors;
    for (size_t i = 0; i < alike.size(); ++i) {
      if (alike[i] == i) predecessors.push_back(i);
    }
    for (size_t candidate = 0; candidate < space.layers()[layer].candidates.size(); ++candidate) {
      for (const size_t predecessor : predecessors) {
        if (space.fits(layer, predecessor, candidate)) visit(layer, predecessor, candidate);
      }
    }
  }
}

// Errors: ValueError for a wrong length, an index out of range, an incomplete fixed part.
void check_choices(const Architecture& arch, size_t num_layers, size_t num_candidates, bool fixed_complete);

}  // namespace latgrad::search::internal
