#include "part_price.h"

#include <fmt/format.h>

#include <string>
#include <unordered_map>

#include "latgrad/base/error.h"
#include "latgrad/lut/operator_key.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/lowering.h"
#include "layer_name.h"

namespace latgrad::search::internal {
namespace {

std::vector<std::string> canonical_keys(const net::Net& net) {
  const net::NetShapes shapes = net::infer_shapes(net);
  std::vector<std::string> keys;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    keys.push_back(lut::canonical(lut::operator_key(net.ops[i], shapes.ops[i])));
  }
  return keys;
}

}  // namespace

Price price(const net::Net& net, const lut::Table& table, const lut::EstimateOptions& options,
            const std::function<bool(size_t)>& is_part) {
  const net::NetShapes shapes = net::infer_shapes(net);
  const lut::Estimate estimate = lut::estimate(net, shapes, table, options);
  Price result;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (!is_part(i)) continue;
    const std::vector<uint32_t>& records = estimate.ops[i].records;
    if (records.empty()) {
      result.missing.push_back(lut::operator_key(net.ops[i], shapes.ops[i]));
      continue;
    }
    for (size_t s = 0; s < lut::kStatistics.size(); ++s) {
      result.found_us[s] += lut::joined_time_us(records, table, options.mode, lut::kStatistics[s]);
    }
  }
  return result;
}

// Whatever the channels, the head has the same operators in the same order.
std::vector<bool> depends_on_last(const Space& space, Precision precision) {
  const LayerInfo& last = space.layers().back();
  std::vector<std::string> first;
  std::vector<bool> depends;
  for (size_t candidate = 0; candidate < last.candidates.size(); ++candidate) {
    if (!last.offered[candidate]) continue;
    const std::vector<std::string> keys = canonical_keys(lower_fixed(space, precision, candidate));
    if (first.empty()) {
      first = keys;
      depends.assign(keys.size(), false);
      if (!space.is_chain()) break;
    }
    for (size_t i = 0; i < keys.size(); ++i) depends[i] = depends[i] || keys[i] != first[i];
  }
  return depends;
}

std::vector<size_t> first_alike(const Space& space, size_t layer) {
  if (layer == 0) return {0};
  const LayerInfo& before = space.layers()[layer - 1];
  std::vector<size_t> alike(before.candidates.size());
  std::unordered_map<int64_t, size_t> first;  // by channels
  for (size_t i = 0; i < alike.size(); ++i) {
    if (before.offered[i]) alike[i] = first.try_emplace(before.channels[i], i).first->second;
  }
  return alike;
}

void check_choices(const Architecture& arch, size_t num_layers, size_t num_candidates, bool fixed_complete) {
  if (!fixed_complete) {
    throw ValueError(
        "an architecture has no price while operators outside the layers are missing from the table");
  }
  if (arch.size() != num_layers) {
    throw ValueError(
        fmt::format("an architecture must choose for {} layers, got {}", num_layers, arch.size()));
  }
  for (size_t layer = 0; layer < num_layers; ++layer) {
    if (arch[layer] >= 0 && static_cast<size_t>(arch[layer]) < num_candidates) continue;
    throw ValueError(fmt::format("{} must choose a candidate from 0 to {}, got {}",
                                 layer_name(layer, LayerCount::kFromZero), num_candidates - 1, arch[layer]));
  }
}

}  // namespace latgrad::search::internal
