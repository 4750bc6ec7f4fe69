// Space files as messages: read, checked against the schema, merged with what they extend.

#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

namespace proto = latgrad::space;

// The file merged onto its base, and that onto its own; `base` and `drop` are empty in the result.
// Errors: IoError; ParseError with file and line for text that breaks the schema, and for a base that leads
// back to itself or too deep.
proto::Space load_space_file(const std::filesystem::path& path);

// The same from text, which must not extend a file.
proto::Space parse_space_text(std::string_view text, const std::string& source);

// Multi-line protobuf text.
std::string print_space_text(const proto::Space& file);

}  // namespace latgrad::search::internal
