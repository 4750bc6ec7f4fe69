#include "operator_query.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "json_quote.h"
#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"

namespace latgrad::cli {

namespace dom = simdjson::dom;

namespace {

// Reads the fields of a query; `field_` names the one in work.
class QueryReader {
 public:
  OperatorQuery read(std::string_view json) {
    dom::element document;
    const auto status = parser_.parse(json.data(), json.size()).get(document);
    if (status != simdjson::SUCCESS) {
      throw ParseError(fmt::format("a query must be one JSON object: {}", simdjson::error_message(status)));
    }
    dom::object object;
    if (document.get(object) != simdjson::SUCCESS) throw ParseError("a query must be one JSON object");
    for (const dom::key_value_pair pair : object) read_field(pair.key, pair.value);
    require(has_type_, "op_type");
    require(has_args_, "op_args");
    require(has_shapes_, "input_shapes");
    require(has_dtypes_, "input_dtypes");
    return std::move(query_);
  }

 private:
  void read_field(std::string_view name, dom::element value) {
    field_ = name;
    if (name == "op_type") {
      query_.key.op_type = text(value);
      has_type_ = true;
    } else if (name == "op_args") {
      query_.key.args.clear();
      for (const dom::element arg : list(value)) query_.key.args.push_back(argument(text(arg)));
      has_args_ = true;
    } else if (name == "input_shapes") {
      query_.key.input_shapes.clear();
      for (const dom::element shape : list(value)) query_.key.input_shapes.push_back(read_shape(shape));
      has_shapes_ = true;
    } else if (name == "input_dtypes") {
      query_.key.input_dtypes.clear();
      for (const dom::element dtype : list(value)) query_.key.input_dtypes.push_back(read_dtype(dtype));
      has_dtypes_ = true;
    } else if (name == "device") {
      query_.device = text(value);
    }
  }

  void require(bool given, const char* name) const {
    if (!given) throw ParseError(fmt::format("a query needs the key {}", name), {.field = name});
  }

  [[noreturn]] void fail(const std::string& rule) const {
    throw ParseError(fmt::format("{} {}", field_, rule), {.field = field_});
  }

  std::string text(dom::element element) const {
    std::string_view value;
    if (element.get(value) != simdjson::SUCCESS) fail("must hold text, got " + quoted(element));
    return std::string(value);
  }

  dom::array list(dom::element element) const {
    dom::array value;
    if (element.get(value) != simdjson::SUCCESS) fail("must be a list, got " + quoted(element));
    return value;
  }

  int64_t integer(dom::element element) const {
    int64_t value = 0;
    if (element.get(value) != simdjson::SUCCESS) {
      fail("must hold integers of 64 bits, got " + quoted(element));
    }
    return value;
  }

  net::Argument argument(const std::string& arg_text) const {
    try {
      return net::parse_argument_text(arg_text);
    } catch (const Error& error) {
      fail(fmt::format("must hold arguments as protobuf text: {}", error.what()));
    }
  }

  net::Shape read_shape(dom::element element) const {
    net::Shape shape;
    for (const dom::element dim : list(element)) shape.push_back(integer(dim));
    try {
      net::num_elements(shape);
    } catch (const Error& error) {
      fail(fmt::format("must hold shapes: {}", error.what()));
    }
    return shape;
  }

  net::DataType read_dtype(dom::element element) const {
    const int64_t number = integer(element);
    if (number < 0 || number > std::numeric_limits<int>::max()) {
      fail(fmt::format("must hold numbers of Caffe2's types, got {}", number));
    }
    return static_cast<net::DataType>(number);
  }

  dom::parser parser_;
  OperatorQuery query_;
  std::string field_;
  bool has_type_ = false;
  bool has_args_ = false;
  bool has_shapes_ = false;
  bool has_dtypes_ = false;
};

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) return std::nullopt;  // `inf` and `nan` are words here
  }
  return value;
}

// The numbers between commas; nothing when one of them is none.
template <typename Number>
std::optional<std::vector<Number>> parse_list(std::string_view text) {
  std::vector<Number> numbers;
  while (true) {
    const size_t comma = text.find(',');
    const auto number = parse_number<Number>(text.substr(0, comma));
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    if (comma == std::string_view::npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

OperatorQuery parse_query(std::string_view json) { return QueryReader().read(json); }

net::Argument parse_argument(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw ValueError(fmt::format("an argument must be NAME=VALUE, got \"{}\"", text));
  }
  std::string name(text.substr(0, equals));
  std::string_view value = text.substr(equals + 1);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    return net::Argument::of_string(std::move(name), std::string(value.substr(1, value.size() - 2)));
  }
  const bool bracketed = value.size() >= 2 && value.front() == '[' && value.back() == ']';
  const std::string_view items = bracketed ? value.substr(1, value.size() - 2) : value;
  const bool is_list = bracketed || items.find(',') != std::string_view::npos;
  if (const auto integers = parse_list<int64_t>(items)) {
    if (!is_list) return net::Argument::of_int(std::move(name), integers->front());
    net::Argument arg;
    arg.name = std::move(name);
    arg.ints = *integers;
    return arg;
  }
  if (const auto floats = parse_list<float>(items)) {
    if (!is_list) return net::Argument::of_float(std::move(name), floats->front());
    net::Argument arg;
    arg.name = std::move(name);
    arg.floats = *floats;
    return arg;
  }
  return net::Argument::of_string(std::move(name), std::string(value));
}

}  // namespace latgrad::cli
