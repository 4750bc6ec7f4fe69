#include "operator_collection.h"

#include <fmt/format.h>

#include <utility>

#include "layer_name.h"

namespace latgrad::search::internal {

std::string user_name(size_t layer, std::string_view candidate) {
  return fmt::format("{} {}", layer_name(layer, LayerCount::kFromOne), candidate);
}

void OperatorCollection::add(const lut::OperatorKey& key, const std::string& user) {
  const auto [entry, is_new] = index_.try_emplace(lut::canonical(key), operators_.size());
  if (is_new) operators_.push_back({key, {}});
  // Operators arrive user by user, so a repeated user is the last one.
  std::vector<std::string>& used_by = operators_[entry->second].used_by;
  if (used_by.empty() || used_by.back() != user) used_by.push_back(user);
}

std::vector<MissingOperator> OperatorCollection::take() {
  index_.clear();
  return std::exchange(operators_, {});
}

}  // namespace latgrad::search::internal
