#include "operator_query.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/net/netdef.h"

namespace latgrad::cli {

using base::JsonValue;

namespace {

net::Argument read_argument(const JsonValue& value) {
  const std::string text = value.text();
  try {
    return net::parse_argument_text(text);
  } catch (const Error& error) {
    value.fail(fmt::format("hold arguments as protobuf text ({})", error.what()));
  }
}

net::Shape read_shape(const JsonValue& value) {
  net::Shape shape = value.integers();
  try {
    net::num_elements(shape);
  } catch (const Error& error) {
    value.fail(fmt::format("hold shapes ({})", error.what()));
  }
  return shape;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) return std::nullopt;  // `inf` and `nan` are strings here
  }
  return value;
}

// The numbers between commas; nothing if an item is not a number.
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

OperatorQuery parse_query(std::string_view json) {
  const base::JsonDocument document(json, "a query");
  const JsonValue root = document.root();
  OperatorQuery query;
  query.key.op_type = root.at("op_type").text();
  for (const JsonValue& arg : root.at("op_args").list()) query.key.args.push_back(read_argument(arg));
  for (const JsonValue& shape : root.at("input_shapes").list()) {
    query.key.input_shapes.push_back(read_shape(shape));
  }
  for (const int64_t dtype : root.at("input_dtypes").integers(0, std::numeric_limits<int>::max())) {
    query.key.input_dtypes.push_back(static_cast<net::DataType>(dtype));
  }
  if (const auto device = root.find("device")) query.device = device->text();
  return query;
}

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
