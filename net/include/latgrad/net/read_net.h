// Reads a network from its files, in any supported format.
//
//   Net net = read_net("models/FBNet-A/int8");          // a folder
//   Net net = read_net("model.pb", "model_init.pb");    // or files
//   Net net = read_net("model.onnx", std::nullopt, {parse_input_shape("x=1,3,224,224")});
//
// Weights are never read into memory: a fill operator of 100 MB costs its shape.
// Input is hostile: sizes, depth and counts are checked before anything is allocated.

#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// Reads a network and the shapes of its parameters: a Caffe2 NetDef, or an ONNX model (onnx.h). `inputs` are
// the shapes of data inputs, which override those of the files; what is no input of this network is passed
// over.
//
// `model` is a folder with `model.pb`, `model.pbtxt` or `model.onnx` (the first of them wins), or a file,
// whose content tells the format regardless of its name. Without `init`, the init net is looked up next to it
// (`<stem>_init.pb` or
// `.pbtxt`, `init_net.pb` for `predict_net.pb`), then `shapes.json` (keys `params` and `inputs`);
// where none exists `parameters` stays empty. `inputs` is filled from `shapes.json` where it exists.
// Errors: IoError; ParseError with file and line or byte; NetError where the init net holds an
// operator that fills nothing or a shape that is not valid.
Net read_net(const std::filesystem::path& model,
             const std::optional<std::filesystem::path>& init = std::nullopt,
             const std::vector<InputShape>& inputs = {});

// The same with its shapes, in one pass where the format is read with them; branches whose condition is known
// are inlined. NetShapes::blobs stays empty. `inputs` may also name what an operator of unknown type writes.
// Errors: as read_net and infer_shapes; ValueError for an input that is no blob of the network.
NetAndShapes read_and_infer(const std::filesystem::path& model,
                            const std::optional<std::filesystem::path>& init = std::nullopt,
                            const std::vector<InputShape>& inputs = {});

}  // namespace latgrad::net
