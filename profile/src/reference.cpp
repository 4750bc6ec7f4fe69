#include "latgrad/profile/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/profile/carriers.h"
#include "latgrad/search/lowering.h"

namespace latgrad::profile {
namespace {

using runner::Chain;
using runner::Timings;

void append(Chain& chain, const Chain& part) {
  const int first = static_cast<int>(chain.size());
  for (const runner::ChainOperator& link : part) {
    chain.push_back(link);
    for (int& source : chain.back().sources) {
      if (source != runner::kOutside) source += first;
    }
  }
}

// By run: the sum of the first operators.
std::vector<double> sums(const Timings& timings, size_t operators, size_t runs) {
  std::vector<double> sums(runs, 0);
  for (size_t op = 0; op < operators; ++op) {
    for (size_t run = 0; run < timings.operators_us[op].size(); ++run)
      sums[run] += timings.operators_us[op][run];
  }
  return sums;
}

template <typename T>
std::vector<T> middle(std::vector<T>& all, size_t begin, size_t size) {
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(begin);
  return {std::make_move_iterator(first), std::make_move_iterator(first + static_cast<std::ptrdiff_t>(size))};
}

}  // namespace

double Flanks::disagreement() const { return mean_us() > 0 ? std::abs(before_us - after_us) / mean_us() : 0; }

std::vector<Flanks> flanks_of(const std::vector<double>& reference_us) {
  std::vector<Flanks> flanks;
  for (size_t run = 0; run + 1 < reference_us.size(); ++run) {
    flanks.push_back({reference_us[run], reference_us[run + 1]});
  }
  return flanks;
}

Reference net_reference(std::string name, const net::Net& net) {
  const net::NetShapes shapes = net::infer_shapes(net, {.allow_unknown = true});
  return {std::move(name), runner::make_chain(net, shapes), net::count_macs(shapes).macs, 0, {}, net};
}

search::Architecture reference_architecture(const search::Space& space, search::Precision precision) {
  refuse_chain(space, "a profiled space");
  search::Architecture arch;
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const std::vector<bool>& offered = space.layers()[layer].offered;
    std::vector<std::pair<double, int>> choices;  // multiply-accumulates, candidate
    double mean = 0;
    for (size_t candidate = 0; candidate < offered.size(); ++candidate) {
      if (!offered[candidate]) continue;
      const net::Net block = search::lower_block(space, layer, candidate, precision);
      choices.emplace_back(static_cast<double>(net::count_macs(net::infer_shapes(block)).macs),
                           static_cast<int>(candidate));
      mean += choices.back().first;
    }
    mean /= static_cast<double>(choices.size());
    const auto nearest = std::ranges::min_element(
        choices, {}, [mean](const auto& choice) { return std::abs(choice.first - mean); });
    arch.push_back(nearest->second);
  }
  return arch;
}

Reference space_reference(const search::Space& space, search::Precision precision) {
  const search::Architecture arch = reference_architecture(space, precision);
  return net_reference(
      fmt::format("{}/{} {}", space.name(), search::to_string(precision), architecture_name(space, arch)),
      search::lower(space, arch, precision));
}

std::optional<Reference> runnable(Reference reference, runner::Runner& runner) {
  const Timings timings = runner.measure({.chain = reference.chain, .warmup = 0, .samples = 1});
  std::vector<int> places(reference.chain.size(), runner::kOutside);  // in the chain that is left
  Chain left;
  for (size_t op = 0; op < reference.chain.size(); ++op) {
    if (!timings.unsupported[op].empty()) continue;
    places[op] = static_cast<int>(left.size());
    left.push_back(reference.chain[op]);
    for (int& source : left.back().sources) {
      if (source != runner::kOutside) source = places[static_cast<size_t>(source)];
    }
  }
  if (left.empty()) return std::nullopt;
  if (left.size() < reference.chain.size()) reference.time_us = 0;
  reference.chain = std::move(left);
  return reference;
}

std::vector<Reference> typical_first(std::vector<Reference> references) {
  std::erase_if(references, [](const Reference& reference) { return reference.chain.empty(); });
  std::ranges::stable_sort(references, {}, &Reference::macs);
  std::vector<Reference> ordered;
  while (!references.empty()) {
    const auto middle = references.begin() + static_cast<std::ptrdiff_t>((references.size() - 1) / 2);
    ordered.push_back(std::move(*middle));
    references.erase(middle);
  }
  return ordered;
}

FlankedTimings measure_flanked(const Reference* reference, runner::Runner& runner,
                               const FlankedRequest& request) {
  FlankedTimings result;
  if (reference == nullptr || reference->chain.empty()) {
    result.timings = runner.measure({.chain = request.chain,
                                     .warmup = request.warmup,
                                     .samples = request.samples,
                                     .timing = request.timing});
    return result;
  }
  const size_t length = reference->chain.size();
  const size_t size = request.chain.size();
  const auto samples = static_cast<size_t>(request.samples);
  Chain chain = reference->chain;
  append(chain, request.chain);
  // The reference of the next run ends a sample: one run more than there are samples.
  runner::MeasureRequest whole{
      .chain = chain, .warmup = request.warmup, .samples = request.samples + 1, .timing = request.timing};
  if (request.timing == runner::Timing::kWhole) whole.parts = {length, size};
  Timings all = runner.measure(whole);
  result.flanks = flanks_of(sums(all, length, samples + 1));
  // A whole run lies between the two runs whose operators are timed: the first has none before it.
  if (!all.parts_us.empty()) {
    result.timings.total_us = {all.parts_us[1].begin() + 1, all.parts_us[1].end()};
  }
  result.timings.operators_us = middle(all.operators_us, length, size);
  result.timings.unsupported = middle(all.unsupported, length, size);
  for (std::vector<double>& samples_us : result.timings.operators_us) {
    samples_us.resize(std::min(samples_us.size(), samples));
  }
  return result;
}

}  // namespace latgrad::profile
