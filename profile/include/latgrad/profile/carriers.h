// Chooses the networks to run next, so that every operator that still lacks samples is run.
//
//   Carriers carriers(plan.operators());
//   carriers.add_space(space, search::Precision::kInt8);
//   carriers.add_net("FBNet-C", net);
//   for (const Carrier& carrier : carriers.round(needed, random)) runner.measure({.chain = carrier.chain});
//
// The networks of the plan carry their own operators. The operators of a space are carried by random
// architectures: in each layer the candidates that are still needed take turns, so a round has as many
// architectures as the layer with the most of them has; the other layers fill up with random candidates. Each
// operator is thus measured next to changing neighbours, as in the architectures that the table will price.
// Not synchronised.

#pragma once

#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "latgrad/runner/chain.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

// A network that is run because of some of its operators.
struct Carrier {
  std::string name;  // of the network, or the blocks of the architecture
  runner::Chain chain;
  std::vector<int> operators;  // by operator of the chain: its place in the plan, or kNotPlanned
  net::Net net;
};

inline constexpr int kNotPlanned = -1;

class Carriers {
 public:
  explicit Carriers(std::span<const lut::OperatorKey> planned);

  // Errors: ValueError for a chain.
  void add_space(const search::Space& space, search::Precision precision);
  // Errors: NetError as net::infer_shapes, but not for an operator of unknown type.
  void add_net(std::string name, const net::Net& net);

  const std::vector<Carrier>& nets() const { return nets_; }
  // Whether there is nothing but one space in one precision.
  bool of_one_space() const { return nets_.empty() && spaces_.size() == 1; }

  // Architectures of each space in which all candidates of each layer take turns, those
  // without operators as well: as many as the layer with the most of them has. In random order.
  std::vector<Carrier> all_turns(std::mt19937_64& random) const;

  // The carriers of one round, in random order. `needed` has one entry for each planned operator.
  std::vector<Carrier> round(const std::vector<bool>& needed, std::mt19937_64& random) const;

 private:
  struct SpaceCarrier {
    search::Space space;
    search::Precision precision;
    std::vector<std::vector<std::vector<int>>> blocks;  // [layer][candidate]: operators in the plan
    std::vector<int> fixed;                             // those outside the layers
  };

  int place(const lut::OperatorKey& key) const;
  std::vector<int> places(const net::Net& net) const;
  Carrier make_carrier(std::string name, const net::Net& net) const;
  Carrier make_carrier(const SpaceCarrier& carrier, const search::Architecture& arch) const;
  void add_architectures(const SpaceCarrier& carrier, const std::vector<bool>& needed,
                         std::mt19937_64& random, std::vector<Carrier>& carriers) const;

  std::unordered_map<std::string, int> places_;  // canonical key to its place in the plan
  std::vector<Carrier> nets_;
  std::vector<SpaceCarrier> spaces_;
};

// Its digits, or its blocks where a layer has more than ten candidates: `latgrad arch` takes both.
std::string architecture_name(const search::Space& space, const search::Architecture& arch);

}  // namespace latgrad::profile
