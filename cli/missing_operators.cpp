#include "missing_operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace latgrad::cli {

namespace {

constexpr size_t kNamedUsers = 4;

std::string users_text(std::span<const std::string> users) {
  std::string text = fmt::format("{}", fmt::join(users.first(std::min(users.size(), kNamedUsers)), ", "));
  if (users.size() > kNamedUsers) text += fmt::format(" and {} more", users.size() - kNamedUsers);
  return text;
}

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
  std::string text;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (i == max_lines) {
      text += fmt::format("  and {} more\n", entries_.size() - i);
      break;
    }
    const Entry& entry = entries_[i];
    text += fmt::format("  {}  ({})\n",
                        entry.known ? lut::describe(entry.key) : entry.key.op_type + " of unknown shape",
                        users_text(entry.used_by));
  }
  return text;
}

void MissingOperators::write(JsonWriter& json) const {
  json.begin_array();
  for (const Entry& entry : entries_) {
    json.begin_object(JsonWriter::Layout::kInline);
    if (entry.known) {
      write_operator(json, entry.key);
    } else {
      json.member("op_type", entry.key.op_type);
    }
    json.member("used_by", entry.used_by);
    json.end_object();
  }
  json.end_array();
}

void write_operator(JsonWriter& json, const lut::OperatorKey& key) {
  json.member("op_type", key.op_type);
  json.member("op_args", lut::reference_args(key));
  json.member("input_shapes", key.input_shapes);
  std::vector<int> dtypes;
  for (const net::DataType dtype : key.input_dtypes) dtypes.push_back(static_cast<int>(dtype));
  json.member("input_dtypes", dtypes);
}

}  // namespace latgrad::cli
