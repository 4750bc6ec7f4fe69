// JSON documents. The records of tables are no part of it: lut reads them by the hundred thousand, with a
// faster parser.
//
//   const JsonDocument config(text, "the file", {.file = "config.json"});
//   // "threads must be an integer from 1 to 1024, got 0 (config.json, field "threads")"
//   const int64_t threads = config.root().at("threads").integer(1, 1024);
//   if (const auto device = config.root().find("device")) use(device->text());
//
//   Json report = {{"device", "pixel"}, {"shape", {1, 3, 224, 224}}};
//   report["total_us"] = or_null(total_us);
//   std::string text = json_text(report);
//
// Input may be hostile: its bytes and its depth are limited, and every value is asked for by its type.
// Reading and printing are linear; finding a member is linear in the members of its object. Thread-safe: no
// state.

#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "latgrad/base/error.h"

namespace latgrad::base {

// Members stand in the order in which they were added.
using Json = nlohmann::ordered_json;

inline constexpr size_t kMaxJsonBytes = size_t{1} << 28;
inline constexpr size_t kMaxJsonDepth = 1024;

class JsonValue;

// A text that was read. Its values point into it: it must outlive them, where it is.
class JsonDocument {
 public:
  // `name` says in messages what the text is: "the file", "a query".
  // Errors: ParseError, with the line of a file or else the byte, for what is not JSON, is nested deeper than
  // kMaxJsonDepth or has more than kMaxJsonBytes.
  JsonDocument(std::string_view text, std::string name, Place place = {});
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  JsonValue root() const;

 private:
  friend class JsonValue;

  std::string name_;
  Place place_;
  Json json_;
};

// A value of a document, asked for as what it must be.
// Errors of all: ParseError with the field for a value of another type, or out of its range.
class JsonValue {
 public:
  static constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

  std::string text() const;
  bool boolean() const;
  double number() const;
  int64_t integer(int64_t least = kLeast, int64_t most = kMost) const;

  std::vector<JsonValue> list() const;
  std::vector<std::string> texts() const;  // a list of texts
  std::vector<int64_t> integers(int64_t least = kLeast, int64_t most = kMost) const;

  // A member of this object. Of several with one name the first counts.
  JsonValue at(std::string_view name) const;                   // an error where there is none
  std::optional<JsonValue> find(std::string_view name) const;  // nothing where there is none, or null
  std::vector<std::pair<std::string_view, JsonValue>> members() const;

  bool is_null() const { return value_->is_null(); }
  bool is_text() const { return value_->is_string(); }
  const Json& json() const { return *value_; }

  // ParseError: "<member> must <rule>, got <value> (<place>)", also for an item of the member's list.
  // Linear in the document, as is place().
  [[noreturn]] void fail(std::string_view rule) const;
  // Of the document, with the field: "layers/3/us" for the member `us` of the item 3, from 0, of `layers`.
  Place place() const;

 private:
  friend class JsonDocument;

  JsonValue(const JsonDocument& document, const Json& value) : document_(&document), value_(&value) {}

  std::string name() const;
  const Json* member(std::string_view name) const;

  const JsonDocument* document_;
  const Json* value_;
};

// The document, with a newline at its end. An object or list inside it that fits on one line stays on one.
// Numbers are the shortest that read back as the same, and a floating-point number shows as one (`259.0`);
// NaN and infinity become null. Text that is not UTF-8 is repaired with U+FFFD.
std::string json_text(const Json& document);

// The same on one line, without a newline.
std::string json_line(const Json& value);

// A value that is JSON already and is printed as it is: an integer beyond 64 bits.
Json verbatim_json(std::string_view json);

// Rounded to so many decimals, for numbers whose other digits are noise.
double rounded(double value, int decimals);

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace latgrad::base
