#include "json.h"

#include <latgrad/base/json_string.h>

#include <array>
#include <charconv>
#include <cmath>

namespace fbnet_supernet {

std::string json(bool flag) { return flag ? "true" : "false"; }

std::string json(double number) {
  if (!std::isfinite(number)) return "null";
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), end};
}

std::string json(std::string_view text) { return latgrad::base::json_string(text); }

std::string json(const JsonObject& object) { return object.line(); }

JsonObject& JsonObject::add_json(std::string_view name, std::string value) {
  members_.emplace_back(json(name), std::move(value));
  return *this;
}

JsonObject& JsonObject::add_all(const JsonObject& other) {
  members_.insert(members_.end(), other.members_.begin(), other.members_.end());
  return *this;
}

std::string JsonObject::line() const {
  std::string text = "{";
  for (const auto& [name, value] : members_) text += (text.size() > 1 ? ", " : "") + name + ": " + value;
  return text + "}";
}

std::string JsonObject::lines() const {
  std::string text = "{";
  for (const auto& [name, value] : members_)
    text += (text.size() > 1 ? ",\n  " : "\n  ") + name + ": " + value;
  return text + "\n}\n";
}

}  // namespace fbnet_supernet
