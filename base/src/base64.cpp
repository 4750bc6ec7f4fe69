#include "latgrad/base/base64.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wrappers.pb.h>

#include <nlohmann/json.hpp>

namespace latgrad::base {

using google::protobuf::BytesValue;
using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageToJsonString;

// Protobuf's JSON has bytes in base64.
std::string to_base64(std::string_view bytes) {
  BytesValue value;
  value.set_value(std::string(bytes));
  std::string quoted;
  static_cast<void>(MessageToJsonString(value, &quoted));  // fails for no bytes
  return quoted.substr(1, quoted.size() - 2);
}

std::optional<std::string> from_base64(std::string_view text) {
  BytesValue value;
  if (!JsonStringToMessage(nlohmann::json(text).dump(), &value).ok()) return std::nullopt;
  return value.value();
}

}  // namespace latgrad::base
