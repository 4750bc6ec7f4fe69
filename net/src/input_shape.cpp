#include "latgrad/net/input_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <utility>

#include "latgrad/base/error.h"

namespace latgrad::net {

namespace {

constexpr int kLastDtype = static_cast<int>(DataType::kDouble);

// The whole text as a number of that type.
std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_defined(DataType dtype) { return to_string(dtype) != "undefined"; }

}  // namespace

Shape parse_shape(std::string_view text) {
  std::string_view rest = trimmed(text);
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  Shape shape;
  while (true) {
    const size_t comma = rest.find(',');
    const auto dim = parse_integer(trimmed(rest.substr(0, comma)));
    if (!dim || *dim < 0) {
      throw ValueError(fmt::format("a shape must be DIM,DIM,... of non-negative integers, got \"{}\"", text));
    }
    shape.push_back(*dim);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  num_elements(shape);
  return shape;
}

DataType parse_dtype(std::string_view text) {
  const auto number = parse_integer(text);
  std::vector<std::string> names;
  for (int i = 1; i <= kLastDtype; ++i) {
    const auto dtype = static_cast<DataType>(i);
    if (!is_defined(dtype)) continue;
    if (number == i || text == to_string(dtype)) return dtype;
    names.push_back(fmt::format("{} {}", i, to_string(dtype)));
  }
  throw ValueError(fmt::format("a dtype must be a number or a name that Caffe2 defines ({}), got \"{}\"",
                               fmt::join(names, ", "), text));
}

InputShape parse_input_shape(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw ValueError(fmt::format("an input must be BLOB=DIM,DIM,..., got \"{}\"", text));
  }
  InputShape input{std::string(text.substr(0, equals)), {}, std::nullopt};
  std::string_view dims = text.substr(equals + 1);
  if (const size_t colon = dims.find(':'); colon != std::string_view::npos) {
    input.dtype = parse_dtype(dims.substr(colon + 1));
    dims = dims.substr(0, colon);
  }
  input.shape = parse_shape(dims);
  return input;
}

std::string to_string(const InputShape& input) {
  const std::string dims = fmt::format("{}={}", input.blob, fmt::join(input.shape, ","));
  return input.dtype ? fmt::format("{}:{}", dims, to_string(*input.dtype)) : dims;
}

}  // namespace latgrad::net
