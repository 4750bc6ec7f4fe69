#include "report/breakdown.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace latgrad::cli::report {

namespace {

// 2 of "layer03_k5_e6_dw"; nothing for a blob of the stem or the head.
std::optional<size_t> layer_of(const SpentOperator& op, size_t num_layers) {
  constexpr std::string_view kPrefix = "layer";
  if (!op.output.starts_with(kPrefix)) return std::nullopt;
  size_t number = 0;
  const char* end = op.output.data() + op.output.size();
  const auto parsed = std::from_chars(op.output.data() + kPrefix.size(), end, number);
  const bool ends = parsed.ptr == end || *parsed.ptr == '_';
  if (parsed.ec != std::errc() || !ends || number < 1 || number > num_layers) return std::nullopt;
  return number - 1;
}

void by_operators(const std::vector<SpentOperator>& operators, Breakdown& spent) {
  Share stem{"stem", 0.0}, head{"head", 0.0};
  for (Share& layer : spent.layers) layer.us = 0.0;
  // An operator that names no layer belongs to the stem before the first one, to the head after it.
  Share* outside = &stem;
  std::map<std::string, double> types;
  for (const SpentOperator& op : operators) {
    const auto layer = layer_of(op, spent.layers.size());
    if (layer) outside = &head;
    if (!op.us) {
      ++spent.unknown;
      continue;
    }
    Share& share = layer ? spent.layers[*layer] : *outside;
    *share.us += *op.us;
    types[op.type] += *op.us;
  }
  spent.before = {stem};
  spent.after = {head};
  for (const auto& [type, us] : types) spent.types.push_back({type, us});
  std::ranges::stable_sort(spent.types, std::greater<>(), &Share::us);
}

void by_table(const LatencyTable& table, const Pick& pick, Breakdown& spent) {
  spent.before = {{"fixed", table.fixed_us}};
  for (size_t layer = 0; layer < spent.layers.size() && layer < table.layers.size(); ++layer) {
    const auto candidate = static_cast<size_t>(pick.architecture[layer]);
    const Numbers& us = table.layers[layer].us;
    if (candidate < us.size()) spent.layers[layer].us = us[candidate];
  }
  const auto is_unknown = [](const Share& share) { return !share.us.has_value(); };
  spent.unknown = static_cast<size_t>(std::ranges::count_if(spent.before, is_unknown) +
                                      std::ranges::count_if(spent.layers, is_unknown));
}

}  // namespace

Breakdown break_down(const Run& run, const Pick& pick) {
  Breakdown spent;
  for (const std::string& block : pick.blocks) spent.layers.push_back({block, std::nullopt});
  const bool names_layers = run.result && pick.origin == Pick::Origin::kChosen &&
                            std::ranges::any_of(run.result->operators, [&](const SpentOperator& op) {
                              return layer_of(op, pick.blocks.size()).has_value();
                            });
  if (names_layers) {
    by_operators(run.result->operators, spent);
  } else if (run.table && !pick.blocks.empty()) {
    by_table(*run.table, pick, spent);
  }
  for (const auto* shares : {&spent.before, &spent.layers, &spent.after}) {
    for (const Share& share : *shares) spent.total_us += share.us.value_or(0);
  }
  return spent;
}

std::vector<SpentOperator> most_expensive(const Run& run, size_t count) {
  if (!run.result) return {};
  std::vector<SpentOperator> operators = run.result->operators;
  std::erase_if(operators, [](const SpentOperator& op) { return !op.us; });
  std::ranges::stable_sort(operators, std::greater<>(), &SpentOperator::us);
  operators.resize(std::min(count, operators.size()));
  return operators;
}

}  // namespace latgrad::cli::report
