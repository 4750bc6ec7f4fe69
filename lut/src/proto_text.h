// Protobuf's text format, without a word on stderr.

#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace latgrad::lut {

// Parses `text` into the empty `message`. Fields that the message type lacks are passed over: published
// networks were written against several versions of Caffe2.
// A byte order mark before the text is passed over.
// Errors: ParseError with the line and, in a NetDef, the operator around it; `source` names the file, `kind`
// what is parsed ("NetDef").
void parse_proto_text(std::string_view text, const std::string& kind, const std::string& source,
                      google::protobuf::Message& message);

// Multi-line text, one field a line.
std::string print_proto_text(const google::protobuf::Message& message);

}  // namespace latgrad::lut
