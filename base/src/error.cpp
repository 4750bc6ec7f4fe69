#include "latgrad/base/error.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace latgrad {

std::string to_string(const Place& place) {
  std::vector<std::string> parts;
  if (!place.file.empty()) parts.push_back(place.file);
  if (place.line) parts.push_back(fmt::format("line {}", *place.line));
  if (place.byte) parts.push_back(fmt::format("byte {}", *place.byte));
  if (place.op_index && !place.op_type.empty()) {
    parts.push_back(fmt::format("op {} \"{}\"", *place.op_index, place.op_type));
  } else if (place.op_index) {
    parts.push_back(fmt::format("op {}", *place.op_index));
  } else if (!place.op_type.empty()) {
    parts.push_back(fmt::format("op \"{}\"", place.op_type));
  }
  if (!place.blob.empty()) parts.push_back(fmt::format("blob \"{}\"", place.blob));
  if (!place.field.empty()) parts.push_back(fmt::format("field \"{}\"", place.field));
  return fmt::format("{}", fmt::join(parts, ", "));
}

namespace {

std::string with_place(const std::string& message, const Place& place) {
  const std::string where = to_string(place);
  return where.empty() ? message : message + " (" + where + ")";
}

}  // namespace

Error::Error(const std::string& message, Place place)
    : std::runtime_error(with_place(message, place)), message_(message), place_(std::move(place)) {}

}  // namespace latgrad
