#include "latgrad/profile/network_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "latgrad/base/random.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/runner/chain.h"
#include "latgrad/search/operator_inference.h"

namespace latgrad::profile {
namespace {

// After so many rounds without a new network a space has no more.
constexpr int kMostRepeats = 200;

// By operator of the plan, from the first network that has it; zeros without one.
std::vector<std::vector<double>> features_of(size_t num_operators, std::span<const Carrier> networks) {
  std::vector<std::vector<double>> features(num_operators);
  for (const Carrier& network : networks) {
    const net::NetShapes shapes =
        net::infer_shapes(network.net, {.allow_unknown = true, .list_blobs = false});
    size_t link = 0;  // of the chain, which leaves out operators of unknown shapes
    for (size_t op = 0; op < network.net.ops.size(); ++op) {
      if (!shapes.ops[op].known) continue;
      const int place = network.operators[link++];
      if (place == kNotPlanned) continue;
      std::vector<double>& of_operator = features[static_cast<size_t>(place)];
      if (of_operator.empty()) of_operator = search::physical_features(network.net.ops[op], shapes.ops[op]);
    }
  }
  for (std::vector<double>& of_operator : features) of_operator.resize(search::kPhysicalFeatures, 0);
  return features;
}

class NetworkMeasurement {
 public:
  NetworkMeasurement(std::span<const Carrier> networks, NetworkTimer& timer, Journal& journal,
                     const RoundOptions& options, const MeasureHooks& hooks)
      : networks_(networks),
        timer_(timer),
        journal_(journal),
        options_(options),
        hooks_(hooks),
        random_(options.seed) {}

  MeasureResult run() {
    while (rounds_.begin(journal_.samples().times(), can_run())) {
      std::vector<size_t> order;
      for (size_t i = 0; i < networks_.size(); ++i) {
        if (rounds_.unsettled()[i]) order.push_back(i);
      }
      base::shuffle(order, random_);
      for (const size_t i : order) {
        if (!rounds_.has_time()) return {.budget_spent = true};
        if (hooks_.stop_requested && hooks_.stop_requested()) return {.stopped = true};
        visit(i);
      }
    }
    return {.budget_spent = rounds_.budget_spent()};
  }

 private:
  std::vector<bool> can_run() const {
    std::vector<bool> can_run;
    for (const std::string& reason : journal_.unsupported()) can_run.push_back(reason.empty());
    return can_run;
  }

  void visit(size_t i) {
    if (hooks_.on_visit) {
      hooks_.on_visit({networks_[i].name, rounds_.settled(), networks_.size(), left_s(),
                       journal_.samples().unsteadiness()});
    }
    NetworkVisit visit = timer_.time(networks_[i].net, options_);
    if (visit.unsupported.empty()) {
      journal_.add_visit({.operators = {{i, std::move(visit.total_us)}}, .flanks = std::move(visit.flanks)});
    } else {
      journal_.add_unsupported(i, std::move(visit.unsupported));
    }
    ++visited_;
  }

  // The first round is long, and known by what it took so far.
  std::optional<double> left_s() const {
    if (const std::optional<double> left = rounds_.left_s()) return left;
    if (visited_ == 0) return std::nullopt;
    const double visit_s = rounds_.elapsed_s() / static_cast<double>(visited_);
    const double rest_s =
        visit_s * static_cast<double>(networks_.size() - std::min(visited_, networks_.size()));
    return std::max(rest_s, options_.budget_s - rounds_.elapsed_s());
  }

  std::span<const Carrier> networks_;
  NetworkTimer& timer_;
  Journal& journal_;
  const RoundOptions& options_;
  const MeasureHooks& hooks_;
  std::mt19937_64 random_;
  size_t visited_ = 0;
  Rounds rounds_{options_};
};

}  // namespace

std::vector<Carrier> choose_networks(const Carriers& carriers, size_t most, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Carrier> networks = carriers.nets();
  std::set<std::string> names;
  for (int repeats = 0; networks.size() < most && repeats < kMostRepeats; ++repeats) {
    for (Carrier& carrier : carriers.all_turns(random)) {
      if (networks.size() == most) break;
      if (!names.insert(carrier.name).second) continue;
      networks.push_back(std::move(carrier));
      repeats = 0;
    }
  }
  base::shuffle(networks, random);
  return networks;
}

MeasureResult measure_networks(std::span<const Carrier> networks, NetworkTimer& timer, Journal& journal,
                               const RoundOptions& options, const MeasureHooks& hooks) {
  return NetworkMeasurement(networks, timer, journal, options, hooks).run();
}

Inference infer(std::span<const lut::OperatorKey> operators, std::span<const Carrier> networks,
                const Journal& journal, double target) {
  const std::vector<Times> times = journal.samples().times();
  const std::vector<Times> all_times = journal.samples().all_times();
  Inference inference;
  inference.networks_with.resize(operators.size(), 0);
  std::vector<search::NetworkTime> timed;
  for (size_t i = 0; i < networks.size(); ++i) {
    // Samples under which the machine changed its speed are better than none.
    const Times& of_network = times[i].visits() > 0 ? times[i] : all_times[i];
    if (of_network.visits() == 0) continue;
    if (times[i].relative_error().value_or(2 * target) > target) ++inference.unsettled;
    search::NetworkTime& network = timed.emplace_back();
    network.time_us = of_network.centre().value_us;
    std::set<size_t> distinct;
    for (const int op : networks[i].operators) {
      if (op == kNotPlanned) continue;
      network.operators.push_back(static_cast<size_t>(op));
      distinct.insert(network.operators.back());
    }
    for (const size_t op : distinct) ++inference.networks_with[op];
    inference.networks.push_back({networks[i].name, {network.time_us, 0}, of_network.visits()});
  }
  if (timed.size() < search::kFewestNetworks) {
    const auto reason =
        std::ranges::find_if(journal.unsupported(), [](const auto& text) { return !text.empty(); });
    throw runner::RunnerError(fmt::format(
        "the engine ran {} of {} networks, and a table needs at least {}: {}", timed.size(), networks.size(),
        search::kFewestNetworks, reason == journal.unsupported().end() ? "raise --budget" : *reason));
  }
  search::InferredTimes inferred =
      search::infer_operator_times(features_of(operators.size(), networks), timed);
  std::vector<TimePair> pairs;
  for (size_t i = 0; i < timed.size(); ++i) {
    inference.networks[i].time.predicted_us = inferred.left_out_us[i];
    pairs.push_back(inference.networks[i].time);
  }
  inference.left_out = agreement(pairs);
  inference.line_mape = inferred.line_mape;
  inference.operators_us = std::move(inferred.operators_us);
  return inference;
}

}  // namespace latgrad::profile
