// What every candidate costs, and what a search asks of it.
//
//   const Prices prices(run / "space.textproto", lut, device, "int8", "p50");
//   prices.expected_us(theta) - prices.exact_us(prices.arg_max(theta));    // how far theta is from a
//   decision
//
// L layers, C candidates of the widest layer; theta is [L, C].

#pragma once

#include <latgrad/plugin/latency_model.h>
#include <latgrad/search/space.h>
#include <torch/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "json.h"

namespace fbnet_supernet {

class Prices {
 public:
  // Errors: those of latgrad::LatencyModel.
  Prices(const std::filesystem::path& space, const std::filesystem::path& lut, const std::string& device,
         const std::string& precision, const std::string& statistic);

  double exact_us(const torch::Tensor& arch) const;      // of one architecture, int64 [L]
  double expected_us(const torch::Tensor& theta) const;  // of softmax(theta), the fixed part included
  double fastest_us() const;                             // the fastest candidate everywhere
  double slowest_us() const;

  // theta as float64, minus infinity where a candidate is not offered: what softmax and arg-max take.
  torch::Tensor masked(const torch::Tensor& theta) const;
  torch::Tensor arg_max(const torch::Tensor& theta) const;  // the most probable architecture, int64 [L]
  double entropy(const torch::Tensor& theta) const;         // of softmax(theta), mean over the layers, nats

  JsonObject describe() const;  // what latency.json holds

  std::filesystem::path lut;
  std::string statistic;
  latgrad::search::Space space;
  c10::intrusive_ptr<latgrad::LatencyModel> model;
  torch::Tensor table_us;  // float64 [L, C]
  torch::Tensor valid;     // bool [L, C]
  double fixed_us;         // what every architecture pays
};

// What `values`, floating point [C], says of the candidates that `valid`, bool [C], offers; nothing of the
// others.
std::vector<std::optional<double>> where_offered(const torch::Tensor& values, const torch::Tensor& valid);

// An architecture as a list.
std::vector<int64_t> indices(const torch::Tensor& arch);

}  // namespace fbnet_supernet
