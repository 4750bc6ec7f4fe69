// Reads a binary NetDef off the wire, field by field: so that an error names its byte, and so that the
// weights of an init net (tens of megabytes) are stepped over by their length instead of being read.

#pragma once

#include <string>
#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

enum class LongValues {
  kKeep,  // every argument as it stands
  kSkip,  // a long argument named `values` keeps its name only
};

// Unknown fields are passed over, as protobuf does.
// Errors: ParseError with the byte and the operator around it; `source` names the file.
Net read_netdef_wire(std::string_view bytes, const std::string& source, LongValues long_values);

}  // namespace latgrad::net
