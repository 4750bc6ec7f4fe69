// The fields of JSON objects in a run's files; whatever is wrong with them is an error with its place.
//
//   JsonText config = JsonText::read(folder / "config.json");
//   simdjson::dom::parser parser;
//   JsonObject root = config.parse(parser);                            // ParseError with file and line
//   std::optional<std::string> device = root.text("device");           // nothing where absent or null
//   std::vector<std::optional<double>> us = root.numbers("us");        // null stays nothing
//
// An object is valid as long as its parser, which holds one document at a time. Finding a field is linear in
// the fields of the object.

#pragma once

#include <simdjson.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/base/error.h"

namespace latgrad::cli::report {

using Numbers = std::vector<std::optional<double>>;

// Of any magnitude in a run. Sums, differences and percentages of such numbers are finite.
inline constexpr double kLargestNumber = 1e15;

// What a field may hold beside its magnitude.
enum class Sign { kAny, kNotNegative, kPositive };

// Every reader returns nothing, or an empty list, for a field that is absent or null.
// Errors of each: ParseError with file, line and field for a value of another type, or out of its range.
class JsonObject {
 public:
  JsonObject(simdjson::dom::object object, Place place) : object_(object), place_(std::move(place)) {}

  std::optional<std::string> text(std::string_view name) const;
  std::optional<double> number(std::string_view name, Sign sign = Sign::kAny) const;
  std::optional<int64_t> integer(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  Numbers numbers(std::string_view name, Sign sign = Sign::kAny) const;
  std::vector<Numbers> rows(std::string_view name) const;
  std::vector<int64_t> indices(std::string_view name) const;  // from 0
  std::optional<JsonObject> object(std::string_view name) const;
  std::vector<JsonObject> objects(std::string_view name) const;

  // All fields in order, as people read them: a text as it is, anything else as JSON.
  std::vector<std::pair<std::string, std::string>> shown() const;

  // With the name of a field, for errors about its value.
  Place place(std::string_view field) const;

 private:
  std::optional<simdjson::dom::element> find(std::string_view name) const;
  std::optional<simdjson::dom::array> list(std::string_view name) const;
  [[noreturn]] void fail(std::string_view name, const char* rule, simdjson::dom::element value) const;
  double in_range(std::string_view name, double value, Sign sign, simdjson::dom::element element) const;
  Numbers numbers_of(std::string_view name, simdjson::dom::array list, Sign sign) const;

  simdjson::dom::object object_;
  Place place_;
};

// The text of a file that holds JSON.
struct JsonText {
  std::string json;
  Place place;  // the file; its line where the text is one line of it

  // Errors: IoError.
  static JsonText read(const std::filesystem::path& path);

  // Errors: ParseError for what is no JSON object.
  JsonObject parse(simdjson::dom::parser& parser) const;

  // One for each line that has its newline: the last one may still be in writing. Blank lines are left out.
  std::vector<JsonText> complete_lines() const;
};

}  // namespace latgrad::cli::report
