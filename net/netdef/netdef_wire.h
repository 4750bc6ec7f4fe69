// Reads a binary NetDef off the wire, field by field: so that an error names its byte, and so that the values
// of an init net (tens of megabytes) are stepped over by their length instead of being read.

#pragma once

#include <string>
#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

enum class Values {
  kKeep,  // every argument as it stands
  kSkip,  // an argument named `values` keeps its name only
};

// Unknown fields are passed over, as protobuf does.
// Errors: ParseError with the byte and the operator around it; `source` names the file.
Net read_netdef_wire(std::string_view bytes, const std::string& source, Values values);

}  // namespace latgrad::net
