// Reads and writes Caffe2 networks: NetDef and init net, binary and text.
//
//   Net net = read_net("models/FBNet-A/int8");          // a folder
//   Net net = read_net("model.pb", "model_init.pb");    // or files
//   write_netdef(net, "out/model.pbtxt");               // text or binary by suffix
//
// Weights are never read into memory: a fill operator of 100 MB costs its shape.
// Input is hostile: sizes, depth and counts are checked before anything is allocated.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "latgrad/lut/net.h"

namespace latgrad::lut {

// Reads a network and the shapes of its parameters.
//
// `model` is a folder with `model.pb` or `model.pbtxt` (the binary wins), or a file, binary or text
// whatever its name. Without `init`, the init net is looked for beside it (`<stem>_init.pb` or
// `.pbtxt`, `init_net.pb` for `predict_net.pb`), then `shapes.json` (keys `params` and `inputs`);
// where none exists `parameters` stays empty. `inputs` is filled from `shapes.json` where it exists.
// Errors: IoError; ParseError with file and line or byte; NetError where the init net holds an
// operator that fills nothing or a shape that is not valid.
Net read_net(const std::filesystem::path& model,
             const std::optional<std::filesystem::path>& init = std::nullopt);

// Parses a NetDef without an init net. `source` is named in errors.
// Errors: ParseError.
Net parse_netdef_text(std::string_view text, const std::string& source);
Net parse_netdef_binary(std::string_view bytes, const std::string& source);

// Adds the shapes and types that an init net (binary or text, told apart by content) gives to
// `net.parameters`.
// Errors: ParseError, NetError as read_net.
void add_init_net(Net& net, std::string_view bytes, const std::string& source);

// The NetDef as protobuf text, or as binary bytes.
std::string netdef_text(const Net& net);
std::string netdef_binary(const Net& net);

// The init net of the same parameters: fill operators with a shape and no values.
Net init_net(const Net& net);

// Writes to a temporary file and renames. `.pb` is binary, every other suffix text.
// Errors: IoError.
void write_netdef(const Net& net, const std::filesystem::path& path);

// One argument as protobuf text, as LUT records hold it: `name: "kernel"\ni: 3\n`.
std::string argument_text(const Argument& arg);
// Errors: ParseError.
Argument parse_argument_text(std::string_view text);

}  // namespace latgrad::lut
