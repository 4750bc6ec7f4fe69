// Just enough JSON to write the files of a run.
//
//   JsonObject result;
//   result.add("latency_us", 259.5).add("blocks", std::vector<std::string>{"k3_e1", "skip"});
//   result.line();     // {"latency_us": 259.5, "blocks": ["k3_e1", "skip"]}
//   result.lines();    // the same, each member on a line of its own
//
// Numbers are the shortest that read back as the same. One that is not finite becomes null, as JSON has none.

#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fbnet_supernet {

class JsonObject;

std::string json(bool flag);
std::string json(double number);
std::string json(std::string_view text);
std::string json(const JsonObject& object);
inline std::string json(const std::string& text) { return json(std::string_view(text)); }
inline std::string json(const char* text) { return json(std::string_view(text)); }
template <std::integral Integer>
std::string json(Integer number) {
  return std::to_string(number);
}
template <typename T>
std::string json(const std::optional<T>& maybe) {
  return maybe ? json(*maybe) : "null";
}
template <typename T>
std::string json(const std::vector<T>& list) {
  std::string text = "[";
  for (const T& item : list) text += (text.size() > 1 ? ", " : "") + json(item);
  return text + "]";
}

class JsonObject {
 public:
  template <typename T>
  JsonObject& add(std::string_view name, const T& value) {
    return add_json(name, json(value));
  }
  // A value that is JSON already.
  JsonObject& add_json(std::string_view name, std::string value);
  // Everything that the other one holds.
  JsonObject& add_all(const JsonObject& other);

  std::string line() const;   // without a newline at its end
  std::string lines() const;  // with one

 private:
  std::vector<std::pair<std::string, std::string>> members_;  // as JSON
};

}  // namespace fbnet_supernet
