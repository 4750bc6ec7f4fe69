#include "latgrad/profile/network_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "latgrad/base/random.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/runner/chain.h"
#include "latgrad/search/calibration.h"
#include "latgrad/search/plan_networks.h"

namespace latgrad::profile {
namespace {

// After so many rounds without a new network a space has no more.
constexpr int kMostRepeats = 200;
// Architectures to choose from, for each that is chosen; and at most, if more need not be chosen.
constexpr size_t kPoolForEach = 8;
constexpr size_t kMostPool = 2000;
// They stand for the space.
constexpr size_t kTypical = 512;

// What the networks consist of: operators of the plan by number, those that none has left out.
struct Operators {
  std::vector<size_t> places;  // in the plan, ascending
  std::vector<search::PhysicalTotals> physical;
  std::vector<std::vector<uint32_t>> networks;
};

Operators operators_of(std::span<const Carrier> networks) {
  std::map<size_t, search::PhysicalTotals> physical;  // by place in the plan
  for (const Carrier& network : networks) {
    const net::NetShapes shapes =
        net::infer_shapes(network.net, {.allow_unknown = true, .list_blobs = false});
    size_t link = 0;  // of the chain, which leaves out operators of unknown shapes
    for (size_t op = 0; op < network.net.ops.size(); ++op) {
      if (!shapes.ops[op].known) continue;
      const int place = network.operators[link++];
      if (place == kNotPlanned) continue;
      physical.try_emplace(static_cast<size_t>(place),
                           search::physical_totals(network.net.ops[op], shapes.ops[op]));
    }
  }
  Operators operators;
  std::map<size_t, uint32_t> numbers;
  for (const auto& [place, totals] : physical) {
    numbers.emplace(place, static_cast<uint32_t>(operators.places.size()));
    operators.places.push_back(place);
    operators.physical.push_back(totals);
  }
  for (const Carrier& network : networks) {
    std::vector<uint32_t>& of_network = operators.networks.emplace_back();
    for (const int place : network.operators) {
      if (place != kNotPlanned) of_network.push_back(numbers.at(static_cast<size_t>(place)));
    }
  }
  return operators;
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
  std::vector<Carrier> pool;
  std::set<std::string> names;
  const size_t pool_size = std::max(most, std::min(kPoolForEach * most, kMostPool));
  size_t covering = 0;  // the first turn: each candidate occurs in it
  for (int repeats = 0; pool.size() < pool_size && repeats < kMostRepeats; ++repeats) {
    for (Carrier& carrier : carriers.all_turns(random)) {
      if (!names.insert(carrier.name).second) continue;
      pool.push_back(std::move(carrier));
      repeats = 0;
    }
    if (covering == 0) covering = pool.size();
  }
  std::vector<Carrier> networks = carriers.nets();
  const size_t wanted = most - std::min(most, networks.size());
  if (pool.size() > wanted && wanted < kMostPool) {
    const Operators operators = operators_of(pool);
    search::CalibrationData data{.physical = operators.physical, .of_one_space = carriers.of_one_space()};
    data.typical.assign(operators.networks.begin(),
                        operators.networks.begin() +
                            static_cast<std::ptrdiff_t>(std::min(kTypical, operators.networks.size())));
    const size_t given = std::min(covering, wanted);
    for (const size_t i : search::plan_networks(data, operators.networks, wanted, 0, given)) {
      networks.push_back(pool[i]);
    }
  } else {
    pool.resize(std::min(pool.size(), wanted));
    std::ranges::move(pool, std::back_inserter(networks));
  }
  base::shuffle(networks, random);
  return networks;
}

MeasureResult measure_networks(std::span<const Carrier> networks, NetworkTimer& timer, Journal& journal,
                               const RoundOptions& options, const MeasureHooks& hooks) {
  return NetworkMeasurement(networks, timer, journal, options, hooks).run();
}

Inference infer(std::span<const Carrier> networks, bool of_one_space, const Journal& journal, double target) {
  const std::vector<Times> times = journal.samples().times();
  const std::vector<Times> all_times = journal.samples().all_times();
  Inference inference;
  std::vector<Carrier> timed;
  std::vector<double> times_us;
  for (size_t i = 0; i < networks.size(); ++i) {
    // Samples under which the machine changed its speed are better than none.
    const Times& of_network = times[i].visits() > 0 ? times[i] : all_times[i];
    if (of_network.visits() == 0) continue;
    if (times[i].relative_error().value_or(2 * target) > target) ++inference.unsettled;
    timed.push_back(networks[i]);
    times_us.push_back(of_network.centre().value_us);
    inference.networks.push_back(
        {.name = networks[i].name, .time = {times_us.back(), 0}, .visits = of_network.visits()});
  }
  if (timed.size() < kFewestNetworks) {
    const auto reason =
        std::ranges::find_if(journal.unsupported(), [](const auto& text) { return !text.empty(); });
    throw runner::RunnerError(fmt::format(
        "the engine ran {} of {} networks, and a table needs at least {}: {}", timed.size(), networks.size(),
        kFewestNetworks, reason == journal.unsupported().end() ? "raise --budget" : *reason));
  }
  Operators operators = operators_of(timed);
  search::CalibrationData data{
      .physical = std::move(operators.physical), .typical = operators.networks, .of_one_space = of_one_space};
  inference.operators = std::move(operators.places);
  inference.networks_with.assign(inference.operators.size(), 0);
  for (size_t i = 0; i < timed.size(); ++i) {
    const std::set<uint32_t> distinct(operators.networks[i].begin(), operators.networks[i].end());
    for (const uint32_t op : distinct) ++inference.networks_with[op];
    data.networks.push_back({.operators = std::move(operators.networks[i]), .time_us = times_us[i]});
  }
  search::Calibration calibration = search::calibrate(data);
  inference.posterior = std::move(calibration.posterior);
  std::vector<TimePair> pairs;
  for (size_t i = 0; i < timed.size(); ++i) {
    InferredFrom& network = inference.networks[i];
    network.time.predicted_us = calibration.left_out[i].mean_us;
    network.low_us = calibration.left_out[i].low_us;
    network.high_us = calibration.left_out[i].high_us;
    if (times_us[i] >= network.low_us && times_us[i] <= network.high_us) ++inference.covered;
    pairs.push_back(network.time);
  }
  inference.left_out = agreement(pairs);
  return inference;
}

}  // namespace latgrad::profile
