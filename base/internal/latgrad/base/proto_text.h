// Protobuf's text format, without a word on stderr.

#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <string>
#include <string_view>

#include "latgrad/base/error.h"

namespace latgrad::base {

// Where in a message that is parsed up to an error the error lies; the line is added by the parser.
using PlaceOfError = Place (*)(const google::protobuf::Message& parsed,
                               const google::protobuf::TextFormat::ParseInfoTree& locations,
                               const std::string& source);

struct ProtoTextOptions {
  bool allow_unknown_fields = true;       // pass them over
  PlaceOfError place_of_error = nullptr;  // null: the file and the line are enough
};

// Parses `text` into the empty `message`. A byte order mark before the text is passed over.
// Errors: ParseError with the line; `source` names the file, `kind` what is parsed ("NetDef").
void parse_proto_text(std::string_view text, const std::string& kind, const std::string& source,
                      google::protobuf::Message& message, const ProtoTextOptions& options = {});

// Multi-line text, one field a line.
std::string print_proto_text(const google::protobuf::Message& message);

}  // namespace latgrad::base
