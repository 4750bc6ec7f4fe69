#include "latgrad/search/latency_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/error.h"
#include "latgrad/base/parallel_for.h"
#include "latgrad/search/lowering.h"
#include "layer_name.h"
#include "operator_collection.h"
#include "part_price.h"

namespace latgrad::search {

using internal::layer_name;
using internal::LayerCount;
using internal::Price;

double LatencyModel::estimate_us(const Architecture& arch, lut::Statistic statistic) const {
  internal::check_choices(arch, num_layers, num_candidates, fixed_complete);
  double total_us = by(statistic).fixed_us;
  for (size_t layer = 0; layer < num_layers; ++layer) {
    const int choice = arch[layer];
    if (!is_valid(layer, static_cast<size_t>(choice))) {
      throw ValueError(fmt::format("{} must choose a candidate that is offered and priced, got {}",
                                   layer_name(layer, LayerCount::kFromZero), choice));
    }
    total_us += at(layer, static_cast<size_t>(choice), statistic);
  }
  return total_us;
}

std::vector<double> LatencyModel::spread_us() const {
  std::vector<double> spread_us = by(lut::Statistic::kP90).table_us;
  const std::vector<double>& p10_us = by(lut::Statistic::kP10).table_us;
  for (size_t i = 0; i < spread_us.size(); ++i) spread_us[i] -= p10_us[i];
  return spread_us;
}

LatencyModel build_latency_model(const Space& space, const lut::Table& table,
                                 const LatencyModelOptions& options) {
  if (space.is_chain()) {
    throw ValueError(fmt::format(
        "the latency model of a chain must be a chain model (build_chain_model), as in {} the time of a "
        "candidate depends on the channels that the layer before chose",
        space.name()));
  }
  const std::vector<LayerInfo>& layers = space.layers();
  LatencyModel model;
  model.num_layers = layers.size();
  model.num_candidates = space.max_candidates();
  model.precision = options.precision;
  model.device = table.resolve_device(options.device);
  const size_t num_choices = model.num_layers * model.num_candidates;
  model.valid.assign(num_choices, 0);

  const lut::EstimateOptions estimate_options{
      .device = model.device, .mode = options.mode, .matching = lut::Matching::kMeaning};
  const Price fixed = internal::price(lower_fixed(space, options.precision), table, estimate_options);
  for (size_t s = 0; s < model.prices.size(); ++s) {
    model.prices[s] = {.fixed_us = fixed.found_us[s], .table_us = std::vector<double>(num_choices)};
  }
  model.fixed_complete = fixed.missing.empty();

  const auto is_offered = [&](size_t layer, size_t candidate) {
    return candidate < layers[layer].candidates.size() && layers[layer].offered[candidate];
  };
  std::vector<Price> prices(num_choices);
  parallel_for(num_choices, [&](size_t i) {
    const size_t layer = i / model.num_candidates;
    const size_t candidate = i % model.num_candidates;
    if (!is_offered(layer, candidate)) return;
    prices[i] =
        internal::price(lower_block(space, layer, candidate, options.precision), table, estimate_options);
  });

  internal::OperatorCollection missing;
  for (const lut::OperatorKey& key : fixed.missing) missing.add(key, internal::kFixedPart);
  for (size_t i = 0; i < num_choices; ++i) {
    const size_t layer = i / model.num_candidates;
    const size_t candidate = i % model.num_candidates;
    if (!is_offered(layer, candidate)) continue;
    if (prices[i].missing.empty()) {
      for (size_t s = 0; s < model.prices.size(); ++s) model.prices[s].table_us[i] = prices[i].found_us[s];
      model.valid[i] = 1;
    }
    for (const lut::OperatorKey& key : prices[i].missing) {
      missing.add(key, internal::user_name(layer, layers[layer].candidates[candidate]));
    }
  }
  model.missing = missing.take();
  return model;
}

std::vector<MissingOperator> required_operators(const Space& space, Precision precision) {
  internal::OperatorCollection collection;
  const auto add = [&](const net::Net& net, const std::string& user, const std::vector<bool>& left_out = {}) {
    const net::NetShapes shapes = net::infer_shapes(net);
    for (size_t i = 0; i < net.ops.size(); ++i) {
      if (left_out.empty() || !left_out[i])
        collection.add(lut::operator_key(net.ops[i], shapes.ops[i]), user);
    }
  };
  const LayerInfo& last = space.layers().back();
  const std::vector<bool> depends = internal::depends_on_last(space, precision);
  std::vector<bool> does_not_depend = depends;
  does_not_depend.flip();
  const auto any_last = std::ranges::find(last.offered, true) - last.offered.begin();
  add(lower_fixed(space, precision, static_cast<size_t>(any_last)), internal::kFixedPart, depends);
  internal::for_each_block(space, [&](size_t layer, size_t predecessor, size_t candidate) {
    const LayerInfo& info = space.layers()[layer];
    const std::string user = internal::user_name(layer, info.candidates[candidate]);
    add(lower_block(space, layer, candidate, precision, predecessor), user);
    if (layer + 1 == space.layers().size() && space.is_chain()) {
      add(lower_fixed(space, precision, candidate), user, does_not_depend);
    }
  });
  return collection.take();
}

}  // namespace latgrad::search
