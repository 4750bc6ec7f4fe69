#include "fragment_builder.h"

namespace latgrad::search::internal {
namespace {

using net::Argument;
using net::Operator;

// As torch's: x / 6 + 0.5.
constexpr float kHardSigmoidSlope = 1.0F / 6;
constexpr float kLayerNormEpsilon = 1e-6F;

struct Function {
  const char* type;
  std::vector<Argument> arguments = {};
};

Function function_of(ActivationKind kind) {
  switch (kind) {
    case proto::Activation::RELU:
      return {"Relu"};
    case proto::Activation::RELU6:
      return {"Clip", {Argument::of_float("min", 0), Argument::of_float("max", 6)}};
    case proto::Activation::HARD_SWISH:
      return {"HardSwish"};
    case proto::Activation::SWISH:
      return {"Swish"};
    case proto::Activation::HARD_SIGMOID:
      return {"HardSigmoid",
              {Argument::of_float("alpha", kHardSigmoidSlope), Argument::of_float("beta", 0.5F)}};
    case proto::Activation::SIGMOID:
      return {"Sigmoid"};
    case proto::Activation::GELU:
      return {"Gelu"};
    case proto::Activation::NONE:
      break;
  }
  return {"Copy"};
}

// One argument where both are the same, else one each.
void push_size(std::vector<Argument>& arguments, const KernelSize& size, const char* both,
               const std::vector<const char*>& of_height, const std::vector<const char*>& of_width) {
  if (size.height == size.width) {
    arguments.push_back(Argument::of_int(both, size.height));
    return;
  }
  for (const char* name : of_height) arguments.push_back(Argument::of_int(name, size.height));
  for (const char* name : of_width) arguments.push_back(Argument::of_int(name, size.width));
}

}  // namespace

Argument integers(std::string name, std::vector<int64_t> values) {
  Argument argument;
  argument.name = std::move(name);
  argument.ints = std::move(values);
  return argument;
}

void FragmentBuilder::conv(const std::string& role, const ConvFields& fields) {
  Operator op = reading_last("Conv");
  op.inputs.push_back(role + "_w");
  parameter(role + "_w",
            {fields.out_channels, channels_ / fields.groups, fields.kernel.height, fields.kernel.width});
  if (fields.bias) {
    op.inputs.push_back(role + "_b");
    parameter(role + "_b", {fields.out_channels});
  }
  push_size(op.args, fields.kernel, "kernel", {"kernel_h"}, {"kernel_w"});
  op.args.push_back(Argument::of_int("stride", fields.stride));
  push_size(op.args, fields.pad, "pad", {"pad_t", "pad_b"}, {"pad_l", "pad_r"});
  if (fields.groups > 1) op.args.push_back(Argument::of_int("group", fields.groups));
  if (fields.dilation > 1) op.args.push_back(Argument::of_int("dilation", fields.dilation));
  op.args.push_back(Argument::of_string("order", "NCHW"));
  const bool activates = fields.activation != proto::Activation::NONE;
  op.outputs.push_back(activates ? role + "_conv" : role);
  if (!fields.batch_norm) fragment_.without_norm.insert(op.outputs.front());
  append(std::move(op));
  channels_ = fields.out_channels;
  if (activates) activation(fields.activation, role);
}

void FragmentBuilder::activation(ActivationKind kind, const std::string& output) {
  Function function = function_of(kind);
  simple(function.type, {}, std::move(function.arguments), output);
}

void FragmentBuilder::shuffle(int64_t groups, const std::string& output) {
  simple("ChannelShuffle", {}, {Argument::of_int("group", groups)}, output);
}

void FragmentBuilder::add(const std::string& other, const std::string& output) {
  simple("Sum", {other}, {}, output);
}

void FragmentBuilder::multiply(const std::string& other, const std::string& output) {
  simple("Mul", {other}, {}, output);
}

void FragmentBuilder::average_pool(const std::string& output) {
  simple("AveragePool", {}, {Argument::of_int("global_pooling", 1), Argument::of_string("order", "NCHW")},
         output);
}

void FragmentBuilder::pool(const std::string& type, int64_t kernel, int64_t stride,
                           const std::string& output) {
  simple(type, {},
         {Argument::of_int("kernel", kernel), Argument::of_int("stride", stride),
          Argument::of_int("pad", (kernel - 1) / 2), Argument::of_string("order", "NCHW")},
         output);
}

void FragmentBuilder::fully_connected(int64_t out_channels, const std::string& output) {
  parameter(output + "_w", {out_channels, channels_});
  parameter(output + "_b", {out_channels});
  simple("FC", {output + "_w", output + "_b"}, {}, output);
  channels_ = out_channels;
}

void FragmentBuilder::layer_norm(const std::string& output) {
  parameter(output + "_w", {channels_});
  parameter(output + "_b", {channels_});
  simple("LayerNormalization", {output + "_w", output + "_b"},
         {Argument::of_int("axis", -1), Argument::of_float("epsilon", kLayerNormEpsilon)}, output);
}

void FragmentBuilder::linear(int64_t out_channels, bool bias, const std::string& output) {
  parameter(output + "_w", {channels_, out_channels});
  simple("BatchMatMul", {output + "_w"}, {}, bias ? output + "_product" : output);
  channels_ = out_channels;
  if (!bias) return;
  parameter(output + "_b", {out_channels});
  simple("Add", {output + "_b"}, {}, output);
}

void FragmentBuilder::simple(const std::string& type, const std::vector<std::string>& others,
                             std::vector<Argument> arguments, const std::string& output) {
  Operator op = reading_last(type);
  op.inputs.insert(op.inputs.end(), others.begin(), others.end());
  op.args = std::move(arguments);
  op.outputs.push_back(output);
  append(std::move(op));
}

void FragmentBuilder::parameter(const std::string& name, net::Shape shape) {
  fragment_.parameters[name] = {std::move(shape), net::DataType::kFloat};
}

void FragmentBuilder::append(Operator op) {
  fragment_.output = op.outputs.front();
  fragment_.ops.push_back(std::move(op));
}

Operator FragmentBuilder::reading_last(std::string type) const {
  Operator op;
  op.type = std::move(type);
  op.inputs.push_back(fragment_.output);
  return op;
}

}  // namespace latgrad::search::internal
