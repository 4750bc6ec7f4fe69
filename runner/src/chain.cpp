#include "latgrad/runner/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "latgrad/net/registry.h"

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

net::Net chain_net(const Chain& chain) {
  net::Net net;
  std::set<std::string> unread;
  for (size_t index = 0; index < chain.size(); ++index) {
    const lut::OperatorKey& key = chain[index].key;
    const net::OperatorType* type = net::find_operator_type(key.op_type);
    net::Operator& op = net.ops.emplace_back();
    op.type = key.op_type;
    op.args = key.args;
    for (size_t input = 0; input < key.input_shapes.size(); ++input) {
      const int source = chain[index].sources[input];
      if (source != kOutside) {
        op.inputs.push_back(fmt::format("{}", source));
        unread.erase(op.inputs.back());
        continue;
      }
      op.inputs.push_back(fmt::format("{}_{}", index, input));
      const bool is_data = type == nullptr || type->reads_activation(input);
      auto& infos = is_data ? net.inputs : net.parameters;
      infos[op.inputs.back()] = {key.input_shapes[input], key.input_dtypes[input]};
      net.external_inputs.push_back(op.inputs.back());
    }
    op.outputs.push_back(fmt::format("{}", index));
    unread.insert(op.outputs.back());
    const size_t outputs = type == nullptr ? 1 : std::max<size_t>(type->outputs.least, 1);
    for (size_t output = 1; output < outputs; ++output) {
      op.outputs.push_back(fmt::format("{}_output_{}", index, output));
    }
  }
  net.external_outputs.assign(unread.begin(), unread.end());
  return net;
}

}  // namespace latgrad::runner
