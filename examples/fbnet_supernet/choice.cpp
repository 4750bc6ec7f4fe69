#include "choice.h"

#include <latgrad/lut/estimate.h>
#include <latgrad/lut/table.h>
#include <latgrad/net/infer_shapes.h>
#include <latgrad/search/lowering.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "generator.h"
#include "priced_network.h"
#include "run_folder.h"
#include "seeds.h"

namespace fbnet_supernet {

namespace lut = latgrad::lut;
namespace search = latgrad::search;
using torch::Tensor;

namespace {

// So many are drawn where a target decides; pricing them takes milliseconds.
constexpr int64_t kDraws = 100'000;
constexpr const char* kDrawsText = "100,000";
// How far from the target an architecture may lie to meet it.
constexpr double kTolerance = 0.03;
constexpr const char* kToleranceText = "3%";

// Architectures under softmax(theta), each with its exact price and its log-probability.
struct Candidates {
  Candidates(const Tensor& of, const Tensor& theta, const Prices& by)
      : archs(of),
        latency_us(by.model->estimate(archs, by.statistic)),
        log_probability(by.masked(theta).log_softmax(-1).gather(1, archs.t()).sum(0)),
        prices(by) {}

  PricedArchitecture at(int64_t index) const {
    const Tensor arch = archs[index];
    return {.architecture = indices(arch),
            .blocks = prices.model->decode(arch),
            .latency_us = latency_us[index].item<double>(),
            .log_probability = log_probability[index].item<double>()};
  }

  Tensor archs;            // int64 [N, L]
  Tensor latency_us;       // float64 [N]
  Tensor log_probability;  // float64 [N]
  const Prices& prices;
};

// int64 [count, L]
Tensor draw(const Tensor& theta, const Prices& prices, int64_t count, int64_t seed) {
  const Tensor probs = prices.masked(theta).softmax(-1);
  if (count == 0) return torch::empty({0, probs.size(0)}, torch::kLong);
  return torch::multinomial(probs, count, /*replacement=*/true, generator(seed_at(seed, "draws"))).t();
}

}  // namespace

JsonObject PricedArchitecture::describe() const {
  JsonObject description;
  description.add("architecture", architecture)
      .add("blocks", blocks)
      .add("latency_us", latency_us)
      .add("log_probability", log_probability);
  return description;
}

Choice choose(const Tensor& theta, const Prices& prices, std::optional<double> target_us, int64_t samples,
              int64_t seed) {
  const Tensor drawn = draw(theta, prices, std::max(target_us ? kDraws : 0, samples), seed);
  const Candidates candidates(torch::cat({prices.arg_max(theta).unsqueeze(0), drawn}), theta, prices);
  Choice choice{.arg_max = candidates.at(0)};
  for (int64_t i = 1; i <= samples; ++i) choice.samples.push_back(candidates.at(i));
  const auto take = [&](int64_t index, const std::string& why) {
    choice.chosen = candidates.at(index);
    choice.why = why;
  };
  if (!target_us) {
    take(0, "the arg-max: there is no target");
    return choice;
  }
  const Tensor excess = candidates.latency_us / *target_us - 1;
  const Tensor meets = torch::logical_and(excess <= 0, excess >= -kTolerance);
  if (std::abs(excess[0].item<double>()) <= kTolerance) {
    take(0, "the arg-max: it meets the target");
  } else if (meets.any().item<bool>()) {
    const Tensor log_probability =
        candidates.log_probability.masked_fill(meets.logical_not(), -std::numeric_limits<double>::infinity());
    take(log_probability.argmax().item<int64_t>(), std::string("the most probable of ") + kDrawsText +
                                                       " draws from theta within " + kToleranceText +
                                                       " below the target; the arg-max is not");
  } else {
    take(excess.abs().argmin().item<int64_t>(), std::string("the nearest to the target of ") + kDrawsText +
                                                    " draws from theta: none lies within " + kToleranceText +
                                                    " below it");
  }
  return choice;
}

std::vector<JsonObject> export_network(const std::filesystem::path& folder, const NetworkImpl& network,
                                       const Prices& prices, const PricedArchitecture& chosen) {
  std::filesystem::create_directories(folder);
  const Tensor arch = torch::tensor(chosen.architecture, torch::kLong);
  std::string names;
  for (const std::string& block : chosen.blocks) names += (names.empty() ? "" : " ") + block;
  write_text(folder / "architecture.txt", names + '\n');
  write_text(folder / "model.pbtxt", prices.model->netdef(arch));
  write_text(folder / "model_init.pbtxt", prices.model->init_netdef(arch));
  JsonObject inputs;  // the shape of the data input, which a NetDef cannot say
  for (const auto& input : prices.model->input_dims()) inputs.add(input.key(), input.value());
  write_text(folder / "shapes.json", JsonObject().add("inputs", inputs).line() + '\n');
  save_priced_network(network, prices, arch, folder / "network.pt");

  const net::Net net = search::lower(prices.space, {chosen.architecture.begin(), chosen.architecture.end()},
                                     search::parse_precision(prices.model->precision()));
  const lut::Estimate estimate =
      lut::estimate(net, net::infer_shapes(net), lut::Table::load(prices.lut),
                    {.device = prices.model->device(), .statistic = lut::parse_statistic(prices.statistic)});
  std::vector<JsonObject> operators;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    operators.push_back(JsonObject()
                            .add("type", net.ops[i].type)
                            .add("output", net.ops[i].outputs.front())
                            .add("us", estimate.ops[i].time_us));
  }
  return operators;
}

}  // namespace fbnet_supernet
