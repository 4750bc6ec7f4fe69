// Reads ONNX models, opset 7 and later, into latgrad's vocabulary.
//
//   auto [net, shapes] = read_onnx(bytes, "model.onnx", {parse_input_shape("x=1,3,224,224")});
//
// An operator that Caffe2 has gets Caffe2's name and arguments, so that it finds the record measured for a
// NetDef; what Caffe2 lacks keeps ONNX's. Blobs are called as the values of the graph. Functions are inlined,
// and branches whose condition is known; what follows from constants and shapes alone is computed and needs
// no operator. Weights are never read, files of external data never opened.
//
// Linear in the size of the graph. Thread-safe. Input is hostile: sizes, depth and counts are checked before
// anything is allocated.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// `inputs` gives the shapes of data inputs with dynamic dimensions, or others than the file's. An operator of
// unknown type keeps its name, with its domain before it; infer_shapes decides whether that is an error.
// Errors: ParseError for bytes that are no model; NetError naming the node for: an opset that is not
// supported; a data input of unknown shape; a value that nothing writes, or only a later node; attributes out
// of range; a branch whose condition is not known.
NetAndShapes read_onnx(std::string_view bytes, const std::string& source,
                       const std::vector<InputShape>& inputs = {});

}  // namespace latgrad::net
