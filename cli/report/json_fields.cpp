#include "report/json_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "json_quote.h"

namespace latgrad::cli::report {

namespace dom = simdjson::dom;
namespace ondemand = simdjson::ondemand;

namespace {

constexpr size_t kDeepest = simdjson::DEFAULT_MAX_DEPTH;

int64_t lines_before(std::string_view json, size_t at) {
  return std::count(json.begin(), json.begin() + static_cast<std::ptrdiff_t>(at), '\n');
}

void walk(ondemand::value value, size_t depth) {
  if (depth == kDeepest) throw simdjson::simdjson_error(simdjson::DEPTH_ERROR);
  switch (value.type().value()) {
    case ondemand::json_type::object:
      for (ondemand::field field : value.get_object()) {
        field.unescaped_key().value();
        walk(field.value(), depth + 1);
      }
      break;
    case ondemand::json_type::array:
      for (ondemand::value item : value.get_array()) walk(item, depth + 1);
      break;
    case ondemand::json_type::string:
      value.get_string().value();
      break;
    case ondemand::json_type::number:
      value.get_double().value();
      break;
    case ondemand::json_type::boolean:
      value.get_bool().value();
      break;
    case ondemand::json_type::null:
      if (!value.is_null()) throw simdjson::simdjson_error(simdjson::N_ATOM_ERROR);
      break;
  }
}

// A string that is not UTF-8, holds a control character or does not end: simdjson finds it before it parses,
// and does not say where. As no string goes over a line, each line shows its own such fault.
std::optional<int64_t> line_of_broken_string(std::string_view json) {
  ondemand::parser parser;
  int64_t number = 1;
  for (size_t begin = 0; begin < json.size(); ++number) {
    const size_t end = std::min(json.find('\n', begin), json.size());
    const simdjson::padded_string line(json.substr(begin, end - begin));
    const auto status = parser.iterate(line).error();
    if (status == simdjson::UTF8_ERROR || status == simdjson::UNESCAPED_CHARS ||
        status == simdjson::UNCLOSED_STRING) {
      return number;
    }
    begin = end + 1;
  }
  return std::nullopt;
}

// The line, from 1, of the first thing that is wrong with a text that is not JSON. The parser of whole
// documents tells none; this one goes through the text and stops there.
int64_t line_of_error(std::string_view json) {
  if (const auto line = line_of_broken_string(json)) return *line;
  const size_t last = json.find_last_not_of(" \t\r\n");
  const int64_t last_line = 1 + lines_before(json, last == json.npos ? 0 : last);
  const simdjson::padded_string padded(json);
  ondemand::parser parser;
  ondemand::document document;
  if (parser.iterate(padded).get(document)) return last_line;
  try {
    walk(document.get_value(), 0);
  } catch (const simdjson::simdjson_error&) {
    // Here, or at what follows a document that is complete.
  }
  const char* at = nullptr;
  if (document.current_location().get(at)) return last_line;
  return std::min(last_line, 1 + lines_before(json, static_cast<size_t>(at - padded.data())));
}

}  // namespace

Place JsonObject::place(std::string_view field) const {
  Place place = place_;
  place.field = field;
  return place;
}

void JsonObject::fail(std::string_view name, const char* rule, dom::element value) const {
  throw ParseError(fmt::format("{} must be {}, got {}", name, rule, quoted(value)), place(name));
}

std::optional<dom::element> JsonObject::find(std::string_view name) const {
  dom::element element;
  if (object_.at_key(name).get(element) || element.is_null()) return std::nullopt;
  return element;
}

std::optional<dom::array> JsonObject::list(std::string_view name) const {
  const auto element = find(name);
  if (!element) return std::nullopt;
  dom::array array;
  if (element->get(array)) fail(name, "a list", *element);
  return array;
}

std::optional<std::string> JsonObject::text(std::string_view name) const {
  const auto element = find(name);
  if (!element) return std::nullopt;
  std::string_view value;
  if (element->get(value)) fail(name, "text", *element);
  return std::string(value);
}

double JsonObject::in_range(std::string_view name, double value, Sign sign, dom::element element) const {
  if (sign == Sign::kPositive && value <= 0) fail(name, "above 0", element);
  if (sign == Sign::kNotNegative && value < 0) fail(name, "at least 0", element);
  if (std::abs(value) > kLargestNumber) fail(name, "of a magnitude up to 1e15", element);
  return value;
}

std::optional<double> JsonObject::number(std::string_view name, Sign sign) const {
  const auto element = find(name);
  if (!element) return std::nullopt;
  double value = 0;
  if (element->get(value)) fail(name, "a number", *element);
  return in_range(name, value, sign, *element);
}

std::optional<int64_t> JsonObject::integer(std::string_view name) const {
  const auto element = find(name);
  if (!element) return std::nullopt;
  int64_t value = 0;
  if (element->get(value)) fail(name, "an integer", *element);
  return value;
}

std::vector<std::string> JsonObject::texts(std::string_view name) const {
  std::vector<std::string> texts;
  if (const auto array = list(name)) {
    for (const dom::element element : *array) {
      std::string_view value;
      if (element.get(value)) fail(name, "a list of texts", element);
      texts.emplace_back(value);
    }
  }
  return texts;
}

Numbers JsonObject::numbers_of(std::string_view name, dom::array array, Sign sign) const {
  Numbers numbers;
  for (const dom::element element : array) {
    double value = 0;
    if (element.is_null()) {
      numbers.emplace_back();
    } else if (element.get(value)) {
      fail(name, "of numbers or null", element);
    } else {
      numbers.emplace_back(in_range(name, value, sign, element));
    }
  }
  return numbers;
}

Numbers JsonObject::numbers(std::string_view name, Sign sign) const {
  const auto array = list(name);
  return array ? numbers_of(name, *array, sign) : Numbers();
}

std::vector<Numbers> JsonObject::rows(std::string_view name) const {
  std::vector<Numbers> rows;
  if (const auto array = list(name)) {
    for (const dom::element element : *array) {
      dom::array row;
      if (element.get(row)) fail(name, "a list of lists", element);
      rows.push_back(numbers_of(name, row, Sign::kAny));
    }
  }
  return rows;
}

std::vector<int64_t> JsonObject::indices(std::string_view name) const {
  std::vector<int64_t> indices;
  if (const auto array = list(name)) {
    for (const dom::element element : *array) {
      int64_t value = 0;
      if (element.get(value) || value < 0) fail(name, "a list of integers from 0", element);
      indices.push_back(value);
    }
  }
  return indices;
}

std::optional<JsonObject> JsonObject::object(std::string_view name) const {
  const auto element = find(name);
  if (!element) return std::nullopt;
  dom::object object;
  if (element->get(object)) fail(name, "an object", *element);
  return JsonObject(object, place_);
}

std::vector<JsonObject> JsonObject::objects(std::string_view name) const {
  std::vector<JsonObject> objects;
  if (const auto array = list(name)) {
    for (const dom::element element : *array) {
      dom::object object;
      if (element.get(object)) fail(name, "a list of objects", element);
      objects.emplace_back(object, place_);
    }
  }
  return objects;
}

std::vector<std::pair<std::string, std::string>> JsonObject::shown() const {
  std::vector<std::pair<std::string, std::string>> shown;
  for (const auto [key, value] : object_) {
    std::string_view text;
    shown.emplace_back(key, value.get(text) ? simdjson::minify(value) : std::string(text));
  }
  return shown;
}

JsonText JsonText::read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw IoError(fmt::format("cannot open the file: {}", std::strerror(errno)), {.file = path.string()});
  std::string json(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) throw IoError("cannot read the file", {.file = path.string()});
  return {std::move(json), {.file = path.string()}};
}

JsonObject JsonText::parse(dom::parser& parser) const {
  dom::element document;
  if (const auto status = parser.parse(json).get(document)) {
    Place at = place;
    if (!at.line) at.line = line_of_error(json);
    throw ParseError(fmt::format("the file must hold JSON: {}", simdjson::error_message(status)), at);
  }
  dom::object object;
  if (document.get(object)) {
    throw ParseError(fmt::format("the file must hold a JSON object, got {}", quoted(document)), place);
  }
  return {object, place};
}

std::vector<JsonText> JsonText::complete_lines() const {
  std::vector<JsonText> lines;
  Place at = place;
  at.line = 0;
  for (size_t begin = 0, end = 0; (end = json.find('\n', begin)) != json.npos; begin = end + 1) {
    ++*at.line;
    const std::string_view line = std::string_view(json).substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != line.npos) lines.push_back({std::string(line), at});
  }
  return lines;
}

}  // namespace latgrad::cli::report
