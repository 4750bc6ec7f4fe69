#include "latgrad/lut/netdef.h"
#include "netdef_proto.h"
#include "proto_text.h"

namespace latgrad::lut {

std::string argument_text(const Argument& arg) {
  netdef::Argument message;
  to_proto(arg, message);
  return print_proto_text(message);
}

Argument parse_argument_text(std::string_view text) {
  netdef::Argument message;
  parse_proto_text(text, "Argument", "", message);
  return from_proto(message);
}

}  // namespace latgrad::lut
