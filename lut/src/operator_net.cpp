#include "latgrad/lut/operator_net.h"

#include <algorithm>
#include <string>

#include "latgrad/net/netdef.h"
#include "latgrad/net/registry.h"

namespace latgrad::lut {

net::Net operator_net(const OperatorKey& key) {
  net::Net net;
  const net::OperatorType* type = net::find_operator_type(key.op_type);
  net::Operator& op = net.ops.emplace_back();
  op.type = key.op_type;
  op.args = key.args;
  for (size_t input = 0; input < key.input_shapes.size(); ++input) {
    op.inputs.push_back("input" + std::to_string(input));
    const bool is_data = type == nullptr || type->reads_activation(input);
    (is_data ? net.inputs : net.parameters)[op.inputs.back()] = {key.input_shapes[input],
                                                                 key.input_dtypes[input]};
    net.external_inputs.push_back(op.inputs.back());
  }
  const size_t outputs = type == nullptr ? 1 : std::max<size_t>(type->outputs.least, 1);
  for (size_t output = 0; output < outputs; ++output) {
    op.outputs.push_back("output" + std::to_string(output));
    net.external_outputs.push_back(op.outputs.back());
  }
  return net;
}

OperatorKey record_key(const Record& record) {
  OperatorKey key{record.op_type, {}, record.input_shapes, record.input_dtypes};
  for (const std::string& text : record.op_args) key.args.push_back(net::parse_argument_text(text));
  return key;
}

}  // namespace latgrad::lut
