#include "latgrad/runner/chain.h"

#include <map>
#include <string>

namespace latgrad::runner {

Chain make_chain(const net::Net& net, const net::NetShapes& shapes) {
  Chain chain;
  std::map<std::string, int, std::less<>> writers;  // blob to the operator that wrote it last
  for (size_t index = 0; index < net.ops.size(); ++index) {
    const net::Operator& op = net.ops[index];
    if (!shapes.ops[index].known) {
      for (const std::string& output : op.outputs) writers.insert_or_assign(output, kOutside);
      continue;
    }
    ChainOperator link{lut::operator_key(op, shapes.ops[index]), {}};
    for (size_t input = 0; input < link.key.input_shapes.size(); ++input) {
      auto writer = input < op.inputs.size() ? writers.find(op.inputs[input]) : writers.end();
      link.sources.push_back(writer == writers.end() ? kOutside : writer->second);
    }
    for (size_t output = 0; output < op.outputs.size(); ++output) {
      writers.insert_or_assign(op.outputs[output], output == 0 ? static_cast<int>(chain.size()) : kOutside);
    }
    chain.push_back(std::move(link));
  }
  return chain;
}

}  // namespace latgrad::runner
