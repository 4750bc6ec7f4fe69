// The end of a search: from theta to one architecture, priced exactly and exported.
//
//   const Choice choice = choose(theta, prices, target_us, /*samples=*/5, seed);
//   export_network(folder / "chosen", *supernet->network(choice.chosen.architecture), prices, choice.chosen);

#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "prices.h"
#include "supernet.h"

namespace fbnet_supernet {

struct PricedArchitecture {
  std::vector<int64_t> architecture;
  std::vector<std::string> blocks;  // names
  double latency_us = 0;            // exact, the fixed part included
  double log_probability = 0;       // natural, under softmax(theta)

  JsonObject describe() const;
};

struct Choice {
  PricedArchitecture arg_max;
  std::vector<PricedArchitecture> samples = {};  // drawn from softmax(theta)
  PricedArchitecture chosen = {};
  std::string why = {};  // what the chosen one is
};

// Without a target the arg-max is chosen, and with one where it meets it. Otherwise the most probable
// architecture is that does, not above the target if there is such a one; where none was drawn that does, the
// nearest.
Choice choose(const torch::Tensor& theta, const Prices& prices, std::optional<double> target_us,
              int64_t samples, int64_t seed);

// Writes the folder chosen/ and returns the operators of the network with their times, for result.json.
std::vector<JsonObject> export_network(const std::filesystem::path& folder, const NetworkImpl& network,
                                       const Prices& prices, const PricedArchitecture& chosen);

}  // namespace fbnet_supernet
