#include "netdef_proto.h"

#include <utility>

namespace latgrad::net {
namespace {

DeviceOption device_from_proto(const netdef::DeviceOption& message) {
  DeviceOption option;
  if (message.has_device_type()) option.device_type = message.device_type();
  if (message.has_device_id()) option.device_id = message.device_id();
  if (message.has_random_seed()) option.random_seed = message.random_seed();
  return option;
}

void device_to_proto(const DeviceOption& option, netdef::DeviceOption& message) {
  if (option.device_type) message.set_device_type(*option.device_type);
  if (option.device_id) message.set_device_id(*option.device_id);
  if (option.random_seed) message.set_random_seed(*option.random_seed);
}

template <typename Repeated>
auto to_vector(const Repeated& repeated) {
  return std::vector<typename Repeated::value_type>(repeated.begin(), repeated.end());
}

Operator operator_from_proto(const netdef::OperatorDef& message) {
  Operator op;
  op.type = message.type();
  op.name = message.name();
  op.engine = message.engine();
  op.inputs = to_vector(message.input());
  op.outputs = to_vector(message.output());
  op.args.reserve(message.arg_size());
  for (const auto& arg : message.arg()) op.args.push_back(from_proto(arg));
  op.control_inputs = to_vector(message.control_input());
  if (message.has_device_option()) op.device_option = device_from_proto(message.device_option());
  op.is_gradient_op = message.is_gradient_op();
  return op;
}

}  // namespace

Argument from_proto(const netdef::Argument& message) {
  Argument arg;
  arg.name = message.name();
  if (message.has_f()) arg.f = message.f();
  if (message.has_i()) arg.i = message.i();
  if (message.has_s()) arg.s = message.s();
  arg.floats = to_vector(message.floats());
  arg.ints = to_vector(message.ints());
  arg.strings = to_vector(message.strings());
  if (message.has_n()) arg.nets.push_back(from_proto(message.n()));
  for (const netdef::NetDef& net : message.nets()) arg.nets.push_back(from_proto(net));
  return arg;
}

Net from_proto(const netdef::NetDef& message) {
  Net net;
  net.name = message.name();
  net.type = message.type();
  if (message.has_num_workers()) net.num_workers = message.num_workers();
  if (message.has_device_option()) net.device_option = device_from_proto(message.device_option());
  net.args.reserve(message.arg_size());
  for (const auto& arg : message.arg()) net.args.push_back(from_proto(arg));
  net.ops.reserve(message.op_size());
  for (const auto& op : message.op()) net.ops.push_back(operator_from_proto(op));
  net.external_inputs = to_vector(message.external_input());
  net.external_outputs = to_vector(message.external_output());
  return net;
}

void to_proto(const Argument& arg, netdef::Argument& message) {
  message.set_name(arg.name);
  if (arg.f) message.set_f(*arg.f);
  if (arg.i) message.set_i(*arg.i);
  if (arg.s) message.set_s(*arg.s);
  message.mutable_floats()->Assign(arg.floats.begin(), arg.floats.end());
  message.mutable_ints()->Assign(arg.ints.begin(), arg.ints.end());
  message.mutable_strings()->Assign(arg.strings.begin(), arg.strings.end());
  if (arg.nets.size() == 1) {
    to_proto(arg.nets[0], *message.mutable_n());
  } else {
    for (const Net& net : arg.nets) to_proto(net, *message.add_nets());
  }
}

void to_proto(const Operator& op, netdef::OperatorDef& message) {
  message.mutable_input()->Assign(op.inputs.begin(), op.inputs.end());
  message.mutable_output()->Assign(op.outputs.begin(), op.outputs.end());
  if (!op.name.empty()) message.set_name(op.name);
  message.set_type(op.type);
  for (const Argument& arg : op.args) to_proto(arg, *message.add_arg());
  if (op.device_option) device_to_proto(*op.device_option, *message.mutable_device_option());
  if (!op.engine.empty()) message.set_engine(op.engine);
  message.mutable_control_input()->Assign(op.control_inputs.begin(), op.control_inputs.end());
  if (op.is_gradient_op) message.set_is_gradient_op(true);
}

void to_proto(const Net& net, netdef::NetDef& message) {
  if (!net.name.empty()) message.set_name(net.name);
  for (const Operator& op : net.ops) to_proto(op, *message.add_op());
  if (!net.type.empty()) message.set_type(net.type);
  if (net.num_workers) message.set_num_workers(*net.num_workers);
  if (net.device_option) device_to_proto(*net.device_option, *message.mutable_device_option());
  for (const Argument& arg : net.args) to_proto(arg, *message.add_arg());
  message.mutable_external_input()->Assign(net.external_inputs.begin(), net.external_inputs.end());
  message.mutable_external_output()->Assign(net.external_outputs.begin(), net.external_outputs.end());
}

}  // namespace latgrad::net
