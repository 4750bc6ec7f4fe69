#include "fragment_builder.h"

namespace latgrad::search::internal {

using net::Argument;
using net::Operator;

void FragmentBuilder::conv(const std::string& role, const ConvFields& fields) {
  Operator op = reading_last("Conv");
  parameter(op, role + "_w", {fields.out_channels, channels_ / fields.groups, fields.kernel, fields.kernel});
  if (fields.bias) parameter(op, role + "_b", {fields.out_channels});
  op.args.push_back(Argument::of_int("kernel", fields.kernel));
  op.args.push_back(Argument::of_int("stride", fields.stride));
  op.args.push_back(Argument::of_int("pad", fields.pad));
  if (fields.groups > 1) op.args.push_back(Argument::of_int("group", fields.groups));
  if (fields.dilation > 1) op.args.push_back(Argument::of_int("dilation", fields.dilation));
  op.args.push_back(Argument::of_string("order", "NCHW"));
  append(std::move(op), fields.relu ? role + "_conv" : role);
  channels_ = fields.out_channels;
  if (fields.relu) append(reading_last("Relu"), role);
}

void FragmentBuilder::shuffle(int64_t groups, const std::string& output) {
  Operator op = reading_last("ChannelShuffle");
  op.args.push_back(Argument::of_int("group", groups));
  append(std::move(op), output);
}

void FragmentBuilder::add_input() {
  Operator op = reading_last("Sum");
  op.inputs.push_back(fragment_.input);
  append(std::move(op), "sum");
}

void FragmentBuilder::average_pool(const std::string& output) {
  Operator op = reading_last("AveragePool");
  op.args.push_back(Argument::of_int("global_pooling", 1));
  op.args.push_back(Argument::of_string("order", "NCHW"));
  append(std::move(op), output);
}

void FragmentBuilder::fully_connected(int64_t out_channels, const std::string& output) {
  Operator op = reading_last("FC");
  parameter(op, output + "_w", {out_channels, channels_});
  parameter(op, output + "_b", {out_channels});
  append(std::move(op), output);
  channels_ = out_channels;
}

Operator FragmentBuilder::reading_last(std::string type) const {
  Operator op;
  op.type = std::move(type);
  op.inputs.push_back(fragment_.output);
  return op;
}

void FragmentBuilder::parameter(Operator& op, const std::string& name, net::Shape shape) {
  op.inputs.push_back(name);
  fragment_.parameters[name] = {std::move(shape), net::DataType::kFloat};
}

void FragmentBuilder::append(Operator op, const std::string& output) {
  op.outputs.push_back(output);
  fragment_.ops.push_back(std::move(op));
  fragment_.output = output;
}

}  // namespace latgrad::search::internal
