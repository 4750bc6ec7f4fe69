// The key that identifies an operator in a LUT, and when two keys are the same.
//
// Two keys are the same by meaning if type, shapes and dtypes are equal and their arguments mean the same:
// order, spelling (`kernel` / `kernels` / `kernel_h, kernel_w`), defaults (`group: 1`, `dilation: 1`) and
// float formatting do not matter; `Y_scale`, `Y_zero_point` and `ws_nbytes_limit` never count.
// docs/lut-format.md lists the rules.

#pragma once

#include <string>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::lut {

struct OperatorKey {
  std::string op_type = {};
  std::vector<net::Argument> args = {};
  std::vector<net::Shape> input_shapes = {};  // activation, weight, bias
  std::vector<net::DataType> input_dtypes = {};
};

// The key of one operator of a network. Precondition: shapes.known.
OperatorKey operator_key(const net::Operator& op, const net::OpShapes& shapes);

// A string that is equal for two keys exactly if they are the same by meaning. It holds bytes, not text, and
// is not a file format. Equal arguments of one name count once; different ones, which Caffe2 refuses, all
// count.
std::string canonical(const OperatorKey& key);

// The arguments as the published table prints them: without Y_scale, Y_zero_point and every argument
// whose text contains `ws_nbytes_limit`, sorted by name (stable), each as protobuf text.
// Source: the published LUT tool's query.
std::vector<std::string> reference_args(const OperatorKey& key);

}  // namespace latgrad::lut
