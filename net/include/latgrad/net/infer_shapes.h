// Static shape inference: the shape and type of every blob, nothing is run.
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
#include <string>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::net {

struct OpShapes {
  std::vector<TensorInfo> inputs;  // at the moment the operator runs
  std::vector<TensorInfo> outputs;
  bool known = true;  // false: an operator of unknown type (allow_unknown) or behind one
  int64_t macs = 0;   // multiply-accumulates; convolutions and FC only, as published figures count
};

struct NetShapes {
  std::vector<OpShapes> ops;  // same length and order as net.ops
  std::map<std::string, TensorInfo, std::less<>> blobs;
};

struct ShapeOptions {
  // An operator type that shape inference does not know is passed over instead of an error; what
  // depends on its outputs is then unknown, too.
  bool allow_unknown = false;
};

// Errors: NetError naming file, operator and blob, for: an operator of unknown type; a blob that nothing
// writes (dangling) or that is only written later (cyclic); a parameter or input of unknown shape; shapes
// that do not fit each other; arguments out of range (stride 0, ...); products beyond 64 bits.
NetShapes infer_shapes(const Net& net, const ShapeOptions& options = {});

// Multiply-accumulates of the convolutions and FC layers: a group convolution counts its own inputs only.
int64_t count_macs(const NetShapes& shapes);

struct ParameterCount {
  int64_t weights = 0;  // tensors of two and more dimensions: what published tables print
  int64_t others = 0;   // biases, batch norm
};

// Counts each parameter that an operator reads once.
ParameterCount count_parameters(const Net& net, const NetShapes& shapes);

}  // namespace latgrad::net
