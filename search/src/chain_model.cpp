#include "latgrad/search/chain_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/base/parallel_for.h"
#include "latgrad/search/lowering.h"
#include "layer_name.h"
#include "operator_collection.h"
#include "part_price.h"

namespace latgrad::search {
namespace {

using internal::Price;

// Spaces that are no chains may have more candidates than a table of pairs has room for.
constexpr size_t kMaxEntries = size_t{1} << 27;

// A candidate behind a number of channels.
struct Block {
  size_t layer;
  size_t predecessor;
  size_t candidate;
};

// Behind predecessors of as many channels a candidate is the same.
void copy_alike_rows(ChainModel& model, const Space& space, size_t layer) {
  const std::vector<size_t> alike = internal::first_alike(space, layer);
  for (size_t predecessor = 0; predecessor < alike.size(); ++predecessor) {
    for (size_t candidate = 0; candidate < space.layers()[layer].candidates.size(); ++candidate) {
      if (!space.fits(layer, predecessor, candidate)) continue;
      const size_t from = model.cell(layer, alike[predecessor], candidate);
      const size_t to = model.cell(layer, predecessor, candidate);
      for (Prices& prices : model.prices) prices.table_us[to] = prices.table_us[from];
      model.valid[to] = model.valid[from];
    }
  }
}

}  // namespace

double ChainModel::estimate_us(const Architecture& arch, lut::Statistic statistic) const {
  internal::check_choices(arch, num_layers, num_candidates, fixed_complete);
  double total_us = by(statistic).fixed_us;
  for (size_t layer = 0; layer < num_layers; ++layer) {
    const size_t predecessor = layer == 0 ? 0 : static_cast<size_t>(arch[layer - 1]);
    const auto candidate = static_cast<size_t>(arch[layer]);
    if (!is_valid(layer, predecessor, candidate)) {
      throw ValueError(
          fmt::format("{} must choose a candidate that is offered, priced and fits behind {}, got {}",
                      internal::layer_name(layer, internal::LayerCount::kFromZero), predecessor, candidate));
    }
    total_us += at(layer, predecessor, candidate, statistic);
  }
  return total_us;
}

ChainModel build_chain_model(const Space& space, const lut::Table& table,
                             const LatencyModelOptions& options) {
  const std::vector<LayerInfo>& layers = space.layers();
  ChainModel model;
  model.num_layers = layers.size();
  model.num_candidates = space.max_candidates();
  model.precision = options.precision;
  model.device = table.resolve_device(options.device);
  const size_t num_cells = model.num_layers * model.num_candidates * model.num_candidates;
  if (num_cells > kMaxEntries) {
    throw ValueError(fmt::format("a chain model must have at most {} entries, got {} layers of {} * {}",
                                 kMaxEntries, model.num_layers, model.num_candidates, model.num_candidates));
  }
  model.valid.assign(num_cells, 0);

  const lut::EstimateOptions estimate_options{
      .device = model.device, .mode = options.mode, .matching = lut::Matching::kMeaning};
  const std::vector<bool> depends = internal::depends_on_last(space, options.precision);
  const LayerInfo& last = layers.back();
  const auto any_last = static_cast<size_t>(std::ranges::find(last.offered, true) - last.offered.begin());
  const Price fixed = internal::price(lower_fixed(space, options.precision, any_last), table,
                                      estimate_options, [&](size_t op) { return !depends[op]; });
  for (size_t s = 0; s < model.prices.size(); ++s) {
    model.prices[s] = {.fixed_us = fixed.found_us[s], .table_us = std::vector<double>(num_cells)};
  }
  model.fixed_complete = fixed.missing.empty();

  std::vector<Block> blocks;
  internal::for_each_block(space, [&](size_t layer, size_t predecessor, size_t candidate) {
    blocks.push_back({layer, predecessor, candidate});
  });
  std::vector<Price> prices(blocks.size());
  parallel_for(blocks.size(), [&](size_t i) {
    const auto [layer, predecessor, candidate] = blocks[i];
    prices[i] = internal::price(lower_block(space, layer, candidate, options.precision, predecessor), table,
                                estimate_options);
  });
  std::vector<Price> tails(last.candidates.size());
  for (size_t candidate = 0; candidate < tails.size() && space.is_chain(); ++candidate) {
    if (!last.offered[candidate]) continue;
    tails[candidate] = internal::price(lower_fixed(space, options.precision, candidate), table,
                                       estimate_options, [&](size_t op) { return depends[op]; });
  }

  internal::OperatorCollection missing;
  for (const lut::OperatorKey& key : fixed.missing) missing.add(key, internal::kFixedPart);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [layer, predecessor, candidate] = blocks[i];
    const bool is_last = layer + 1 == layers.size();
    const Price tail = is_last ? tails[candidate] : Price{};
    const std::string user = internal::user_name(layer, layers[layer].candidates[candidate]);
    for (const Price* part : {std::as_const(prices).data() + i, &tail}) {
      for (const lut::OperatorKey& key : part->missing) missing.add(key, user);
    }
    if (!prices[i].missing.empty() || !tail.missing.empty()) continue;
    const size_t cell = model.cell(layer, predecessor, candidate);
    for (size_t s = 0; s < model.prices.size(); ++s) {
      model.prices[s].table_us[cell] = prices[i].found_us[s] + tail.found_us[s];
    }
    model.valid[cell] = 1;
  }
  model.missing = missing.take();
  for (size_t layer = 0; layer < layers.size(); ++layer) copy_alike_rows(model, space, layer);
  return model;
}

}  // namespace latgrad::search
