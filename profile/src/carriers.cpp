#include "latgrad/profile/carriers.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/random.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/random_architecture.h"

namespace latgrad::profile {
namespace {

bool any_needed(const std::vector<int>& operators, const std::vector<bool>& needed) {
  return std::any_of(operators.begin(), operators.end(),
                     [&](int op) { return op != kNotPlanned && needed[static_cast<size_t>(op)]; });
}

std::vector<int> offered(const search::LayerInfo& layer) {
  std::vector<int> candidates;
  for (size_t candidate = 0; candidate < layer.offered.size(); ++candidate) {
    if (layer.offered[candidate]) candidates.push_back(static_cast<int>(candidate));
  }
  return candidates;
}

}  // namespace

std::string architecture_name(const search::Space& space, const search::Architecture& arch) {
  if (space.max_candidates() > 10) return space.format_architecture(arch);
  std::string digits;
  for (const int choice : arch) digits += static_cast<char>('0' + choice);
  return digits;
}

Carriers::Carriers(std::span<const lut::OperatorKey> planned) {
  for (size_t op = 0; op < planned.size(); ++op)
    places_.emplace(lut::canonical(planned[op]), static_cast<int>(op));
}

int Carriers::place(const lut::OperatorKey& key) const {
  auto found = places_.find(lut::canonical(key));
  return found == places_.end() ? kNotPlanned : found->second;
}

Carrier Carriers::make_carrier(std::string name, const net::Net& net) const {
  Carrier carrier{
      std::move(name), runner::make_chain(net, net::infer_shapes(net, {.allow_unknown = true})), {}, net};
  for (const runner::ChainOperator& link : carrier.chain) carrier.operators.push_back(place(link.key));
  return carrier;
}

Carrier Carriers::make_carrier(const SpaceCarrier& carrier, const search::Architecture& arch) const {
  return make_carrier(fmt::format("{}/{} {}", carrier.space.name(), search::to_string(carrier.precision),
                                  architecture_name(carrier.space, arch)),
                      search::lower(carrier.space, arch, carrier.precision));
}

std::vector<int> Carriers::places(const net::Net& net) const { return make_carrier("", net).operators; }

void Carriers::add_net(std::string name, const net::Net& net) {
  nets_.push_back(make_carrier(std::move(name), net));
}

void Carriers::add_space(const search::Space& space, search::Precision precision) {
  refuse_chain(space, "a profiled space");
  SpaceCarrier carrier{space, precision, {}, places(search::lower_fixed(space, precision))};
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const std::vector<bool>& is_offered = space.layers()[layer].offered;
    std::vector<std::vector<int>>& blocks = carrier.blocks.emplace_back(is_offered.size());
    for (size_t candidate = 0; candidate < is_offered.size(); ++candidate) {
      if (is_offered[candidate])
        blocks[candidate] = places(search::lower_block(space, layer, candidate, precision));
    }
  }
  spaces_.push_back(std::move(carrier));
}

void Carriers::add_architectures(const SpaceCarrier& carrier, const std::vector<bool>& needed,
                                 std::mt19937_64& random, std::vector<Carrier>& carriers) const {
  std::vector<std::vector<int>> turns;  // by layer: the candidates that are needed
  size_t num_architectures = any_needed(carrier.fixed, needed) ? 1 : 0;
  for (const auto& blocks : carrier.blocks) {
    std::vector<int>& candidates = turns.emplace_back();
    for (size_t candidate = 0; candidate < blocks.size(); ++candidate) {
      if (any_needed(blocks[candidate], needed)) candidates.push_back(static_cast<int>(candidate));
    }
    base::shuffle(candidates, random);
    num_architectures = std::max(num_architectures, candidates.size());
  }
  for (size_t turn = 0; turn < num_architectures; ++turn) {
    search::Architecture arch = search::random_architecture(carrier.space, random);
    for (size_t layer = 0; layer < arch.size(); ++layer) {
      if (turn < turns[layer].size()) arch[layer] = turns[layer][turn];
    }
    carriers.push_back(make_carrier(carrier, arch));
  }
}

std::vector<Carrier> Carriers::all_turns(std::mt19937_64& random) const {
  std::vector<Carrier> carriers;
  for (const SpaceCarrier& carrier : spaces_) {
    std::vector<std::vector<int>> turns;  // by layer
    for (const search::LayerInfo& layer : carrier.space.layers()) {
      turns.push_back(offered(layer));
      base::shuffle(turns.back(), random);
    }
    const size_t most = std::ranges::max(turns, {}, &std::vector<int>::size).size();
    for (size_t turn = 0; turn < most; ++turn) {
      search::Architecture arch;
      for (const std::vector<int>& candidates : turns) arch.push_back(candidates[turn % candidates.size()]);
      carriers.push_back(make_carrier(carrier, arch));
    }
  }
  base::shuffle(carriers, random);
  return carriers;
}

std::vector<Carrier> Carriers::round(const std::vector<bool>& needed, std::mt19937_64& random) const {
  std::vector<Carrier> carriers;
  for (const Carrier& net : nets_) {
    if (any_needed(net.operators, needed)) carriers.push_back(net);
  }
  for (const SpaceCarrier& space : spaces_) add_architectures(space, needed, random, carriers);
  base::shuffle(carriers, random);
  return carriers;
}

}  // namespace latgrad::profile
