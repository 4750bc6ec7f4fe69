// Static shape inference: the shape and type of every blob, without running the network.
//
//   auto shapes = infer_shapes(net);
//   shapes.ops[3].outputs[0].shape;        // what operator 3 writes
//   shapes.blobs.at("softmax").shape;      // the last value of a blob
//
// NCHW weights are [out, in/group, kh, kw]; NHWC (int8) weights [out, kh, kw, in/group].
// Linear in the number of operators. Thread-safe: it keeps no state.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::net {

struct OpShapes {
  std::vector<TensorInfo> inputs;  // at the moment the operator runs
  std::vector<TensorInfo> outputs;
  // False: the operator is of unknown type (allow_unknown), or depends on one that is.
  bool known = true;
  // Multiply-accumulates, of convolutions and matrix products only, as published figures count them; nothing
  // if the number is unknown.
  std::optional<int64_t> macs = {};
};

struct NetShapes {
  std::vector<OpShapes> ops;  // same length and order as net.ops
  std::map<std::string, TensorInfo, std::less<>> blobs;
  // The values of blobs whose elements are known without running the network.
  std::map<std::string, Values, std::less<>> values;
};

struct NetAndShapes {
  Net net;
  NetShapes shapes;
};

struct ShapeOptions {
  // An operator whose type is not in the registry, or whose output shape is known only by running the
  // network, is skipped instead of being an error; whatever depends on its outputs is then unknown, too,
  // unless `net.inputs` gives their shape.
  bool allow_unknown = false;
  // Also skips an operator whose inputs have unknown shapes: init nets load some parameters.
  bool allow_open_inputs = false;
  // Fills NetShapes::blobs and NetShapes::values; whoever prices a network needs neither.
  bool list_blobs = true;
};

// Errors: NetError naming file, operator and blob, for: an operator of unknown type; a blob that nothing
// writes (dangling) or that is only written later (cyclic); a parameter or input of unknown shape; shapes
// that do not fit each other; arguments out of range (stride 0, ...); products beyond 64 bits.
NetShapes infer_shapes(const Net& net, const ShapeOptions& options = {});

// A group convolution counts its own inputs only.
struct MacCount {
  int64_t macs = 0;
  bool complete = true;  // false: operators of unknown cost have more

  std::optional<int64_t> total() const { return complete ? std::optional(macs) : std::nullopt; }
};

MacCount count_macs(const NetShapes& shapes);

struct ParameterCount {
  int64_t weights = 0;   // tensors of two or more dimensions, as in published tables
  int64_t others = 0;    // biases, batch norm
  bool complete = true;  // false: operators of unknown type may read more
};

// Counts each parameter once that an operator reads; data that an init net fills is not a parameter.
ParameterCount count_parameters(const Net& net, const NetShapes& shapes);

}  // namespace latgrad::net
