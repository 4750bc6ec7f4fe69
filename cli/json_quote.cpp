#include "json_quote.h"

namespace latgrad::cli {

namespace {

constexpr size_t kQuotedBytes = 60;

}  // namespace

std::string quoted(simdjson::dom::element element) {
  const std::string json = simdjson::minify(element);
  return json.size() <= kQuotedBytes ? json : json.substr(0, kQuotedBytes) + "...";
}

}  // namespace latgrad::cli
