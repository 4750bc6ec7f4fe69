// Caffe2's NetDef, binary and text.
//
//   Net net = parse_netdef_text(text, "model.pbtxt");
//   write_netdef(net, "out/model.pbtxt");               // text or binary by suffix
//
// Input is hostile: sizes, depth and counts are checked before anything is allocated.

#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "latgrad/net/net.h"

namespace latgrad::net {

// Parses a NetDef without an init net. `source` is named in errors.
// Errors: ParseError.
Net parse_netdef_text(std::string_view text, const std::string& source);
Net parse_netdef_binary(std::string_view bytes, const std::string& source);

// The NetDef as protobuf text, or as binary bytes.
std::string netdef_text(const Net& net);
std::string netdef_binary(const Net& net);

// Writes to a temporary file and renames. `.pb` is binary, every other suffix text.
// Errors: IoError.
void write_netdef(const Net& net, const std::filesystem::path& path);

// One argument as protobuf text, as LUT records hold it: `name: "kernel"\ni: 3\n`.
std::string argument_text(const Argument& arg);
// Errors: ParseError.
Argument parse_argument_text(std::string_view text);

}  // namespace latgrad::net
