#include "missing_operators.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/listed.h"
#include "latgrad/lut/describe.h"

namespace latgrad::cli {

namespace {

constexpr size_t kNamedUsers = 4;

}  // namespace

void MissingOperators::add(const lut::OperatorKey& key, const std::string& user) {
  add(lut::canonical(key), key, true, user);
}

void MissingOperators::add_unknown(const std::string& op_type, const std::string& user) {
  add("unknown " + op_type, {.op_type = op_type}, false, user);
}

void MissingOperators::add(const std::string& identity, const lut::OperatorKey& key, bool known,
                           const std::string& user) {
  const auto [position, is_new] = index_.try_emplace(identity, entries_.size());
  if (is_new) entries_.push_back({key, known, {}});
  std::vector<std::string>& used_by = entries_[position->second].used_by;
  if (std::ranges::find(used_by, user) == used_by.end()) used_by.push_back(user);
}

std::string MissingOperators::text(size_t max_lines) const {
  std::vector<std::string> operators;
  for (const Entry& entry : entries_) {
    operators.push_back(fmt::format(
        "{}  ({})", entry.known ? lut::describe(entry.key) : entry.key.op_type + " of unknown shape",
        base::listed(entry.used_by, kNamedUsers)));
  }
  return base::listed_lines(operators, max_lines);
}

base::Json MissingOperators::json() const {
  base::Json list = base::Json::array();
  for (const Entry& entry : entries_) {
    base::Json op = {{"op_type", entry.key.op_type}};
    if (entry.known) {
      op["op_args"] = lut::reference_args(entry.key);
      op["input_shapes"] = entry.key.input_shapes;
      op["input_dtypes"] = entry.key.input_dtypes;
    }
    op["used_by"] = entry.used_by;
    list.push_back(std::move(op));
  }
  return list;
}

}  // namespace latgrad::cli
