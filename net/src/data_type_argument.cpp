#include "data_type_argument.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

namespace latgrad::net {
namespace {

constexpr std::array<std::pair<std::string_view, DataType>, 12> kNames = {{
    {"FLOAT", DataType::kFloat},
    {"INT32", DataType::kInt32},
    {"BYTE", DataType::kByte},
    {"STRING", DataType::kString},
    {"BOOL", DataType::kBool},
    {"UINT8", DataType::kUint8},
    {"INT8", DataType::kInt8},
    {"UINT16", DataType::kUint16},
    {"INT16", DataType::kInt16},
    {"INT64", DataType::kInt64},
    {"FLOAT16", DataType::kFloat16},
    {"DOUBLE", DataType::kDouble},
}};

}  // namespace

std::optional<DataType> data_type_argument(const Argument& arg) {
  if (arg.i) {
    const auto it = std::ranges::find(kNames, *arg.i,
                                      [](const auto& entry) { return static_cast<int64_t>(entry.second); });
    return it == kNames.end() ? std::nullopt : std::optional(it->second);
  }
  if (arg.s) {
    std::string upper = *arg.s;
    std::ranges::transform(upper, upper.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const auto it = std::ranges::find(kNames, upper, &std::pair<std::string_view, DataType>::first);
    return it == kNames.end() ? std::nullopt : std::optional(it->second);
  }
  return std::nullopt;
}

}  // namespace latgrad::net
