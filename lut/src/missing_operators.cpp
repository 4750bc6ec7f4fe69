#include "latgrad/lut/missing_operators.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/listed.h"
#include "latgrad/lut/describe.h"

namespace latgrad::lut {

namespace {

constexpr size_t kNamedUsers = 4;

}  // namespace

void MissingOperators::add(const OperatorKey& key, const std::string& user) {
  add(canonical(key), key, true, user);
}

void MissingOperators::add_unknown(const std::string& op_type, const std::string& user) {
  add("unknown " + op_type, {.op_type = op_type}, false, user);
}

void MissingOperators::add(const std::string& identity, const OperatorKey& key, bool known,
                           const std::string& user) {
  const auto [position, is_new] = index_.try_emplace(identity, entries_.size());
  if (is_new) entries_.push_back({key, known, {}});
  std::vector<std::string>& used_by = entries_[position->second].used_by;
  if (std::ranges::find(used_by, user) == used_by.end()) used_by.push_back(user);
}

std::string MissingOperators::text(size_t max_lines) const {
  std::vector<std::string> operators;
  for (const Entry& entry : entries_) {
    operators.push_back(
        fmt::format("{}  ({})", entry.known ? describe(entry.key) : entry.key.op_type + " of unknown shape",
                    base::listed(entry.used_by, kNamedUsers)));
  }
  return base::listed_lines(operators, max_lines);
}

}  // namespace latgrad::lut
