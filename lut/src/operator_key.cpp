#include "latgrad/lut/operator_key.h"

#include <algorithm>

#include "key_encoding.h"
#include "latgrad/net/netdef.h"

namespace latgrad::lut {

OperatorKey operator_key(const net::Operator& op, const net::OpShapes& shapes) {
  OperatorKey key{op.type, op.args, {}, {}};
  for (const net::TensorInfo& input : shapes.inputs) {
    key.input_shapes.push_back(input.shape);
    key.input_dtypes.push_back(input.dtype);
  }
  return key;
}

std::string canonical(const OperatorKey& key) {
  std::string arguments;
  append_arguments(arguments, key.op_type, key.args);
  std::string bytes;
  append_varint(bytes, key.op_type.size());
  bytes += key.op_type;
  append_varint(bytes, arguments.size());
  bytes += arguments;
  append_inputs(bytes, key.input_shapes, key.input_dtypes);
  return bytes;
}

std::vector<std::string> reference_args(const OperatorKey& key) {
  std::vector<const net::Argument*> sorted;
  for (const net::Argument& arg : key.args) {
    if (!is_output_scale(arg) && !mentions_workspace(arg)) sorted.push_back(&arg);
  }
  std::ranges::stable_sort(sorted, {}, &net::Argument::name);
  std::vector<std::string> texts;
  for (const net::Argument* arg : sorted) texts.push_back(net::argument_text(*arg));
  return texts;
}

}  // namespace latgrad::lut
