#include <fmt/format.h>

#include "latgrad/base/error.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

Precision parse_precision(std::string_view text) {
  if (text == "int8") return Precision::kInt8;
  if (text == "fp32") return Precision::kFp32;
  throw ValueError(fmt::format("precision must be int8 or fp32, got \"{}\"", text));
}

std::string_view to_string(Precision precision) { return precision == Precision::kInt8 ? "int8" : "fp32"; }

}  // namespace latgrad::search
