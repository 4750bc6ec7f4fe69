// ONNX models: reads them, opset 7 and later, into latgrad's vocabulary, and writes networks.
//
//   auto [net, shapes] = read_onnx(bytes, "model.onnx", {parse_input_shape("x=1,3,224,224")});
//   write_onnx(net, "out/model.onnx");
//
// An operator that Caffe2 has gets Caffe2's name and arguments, so that it finds the record measured for a
// NetDef; what Caffe2 lacks keeps ONNX's. Blobs are called as the values of the graph. Functions are inlined,
// and branches whose condition is known; what follows from constants and shapes alone is computed and needs
// no operator. Weights are never read, files of external data never opened.
//
// Linear in the size of the graph. Thread-safe. Input is hostile: sizes, depth and counts are checked before
// anything is allocated.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// What an exporter that traced a module leaves open.
struct OnnxTrace {
  // The data inputs of the graph: the others are parameters of the module. Empty: all are data inputs.
  std::vector<std::string> data_inputs = {};
  // Convolutions take in the batch normalisations behind them, as they do in a network that is shipped.
  bool merges_norms = false;
};

// `inputs` gives the shapes of data inputs with dynamic dimensions, or others than the file's. An operator of
// unknown type keeps its name, with its domain before it; infer_shapes decides whether that is an error.
// Errors: ParseError for bytes that are no model; NetError naming the node for: an opset that is not
// supported; a data input of unknown shape; a value that nothing writes, or only a later node; attributes out
// of range; a branch whose condition is not known.
NetAndShapes read_onnx(std::string_view bytes, const std::string& source,
                       const std::vector<InputShape>& inputs = {}, const OnnxTrace& trace = {});

enum class OnnxWeights {
  kRandom,   // of sizes that keep activations in range; the same for every machine under a seed
  kLeftOut,  // constants of the right shape, made when the model is loaded: a small file
};

struct OnnxOptions {
  OnnxWeights weights = OnnxWeights::kRandom;
  uint64_t seed = 0;
};

// The network as an ONNX model of opset 20, or of a later one where an operator needs it. Int8 operators are
// float ones between DequantizeLinear and QuantizeLinear (QDQ). ONNX has images with the channels first only:
// changes of layout vanish where every reader takes images, and become transpositions elsewhere. Blobs that
// are written twice get a number. Parameters of known elements keep them.
// Errors: as infer_shapes; NetError for an operator that has no form in ONNX, and for parameters of 2 GiB.
std::string onnx_bytes(const Net& net, const OnnxOptions& options = {});

// Writes to a temporary file and renames. Errors: as onnx_bytes; IoError.
void write_onnx(const Net& net, const std::filesystem::path& path, const OnnxOptions& options = {});

}  // namespace latgrad::net
