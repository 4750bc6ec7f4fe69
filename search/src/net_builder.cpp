#include "net_builder.h"

#include <algorithm>
#include <utility>

namespace latgrad::search::internal {
namespace {

using net::Argument;
using net::DataType;
using net::Operator;

// A softmax is at most 1, and QNNPACK accepts no other scale for it.
constexpr float kSoftmaxScale = 1.0f / 256;

Argument to_argument(const proto::Argument& arg) {
  Argument result;
  result.name = arg.name();
  if (arg.has_f()) result.f = arg.f();
  if (arg.has_i()) result.i = arg.i();
  if (arg.has_s()) result.s = arg.s();
  result.floats.assign(arg.floats().begin(), arg.floats().end());
  result.ints.assign(arg.ints().begin(), arg.ints().end());
  result.strings.assign(arg.strings().begin(), arg.strings().end());
  return result;
}

bool applies(const proto::ArgumentRule& rule, proto::OperatorClass operator_class, Precision precision) {
  const proto::Precision own = precision == Precision::kInt8 ? proto::INT8 : proto::FP32;
  return (!rule.has_precision() || rule.precision() == own) &&
         std::ranges::find(rule.applies_to(), operator_class) != rule.applies_to().end();
}

}  // namespace

NetBuilder::NetBuilder(const SpaceImpl& space, Precision precision, std::string net_name)
    : space_(space), precision_(precision) {
  net_.name = std::move(net_name);
  net_.source = space.source;
}

Blob NetBuilder::image(const std::string& name) {
  const proto::Input& input = space_.file.input();
  Blob blob{name, input.batch(), input.channels(), input.height(), input.width()};
  net_.inputs[name] = {{blob.batch, blob.channels, blob.height, blob.width}, DataType::kFloat};
  net_.external_inputs.push_back(name);
  return blob;
}

Blob NetBuilder::activation(Blob blob) {
  net_.inputs[blob.name] = {activation_shape(blob), is_int8() ? DataType::kUint8 : DataType::kFloat};
  net_.external_inputs.push_back(blob.name);
  return blob;
}

Blob NetBuilder::quantize(const Blob& in) {
  if (!is_int8()) return in;
  Blob nhwc = in;
  nhwc.name = in.name + "_nhwc";
  end(begin("NCHW2NHWC", in), proto::LAYOUT_CHANGE, nhwc.name);
  Blob out = in;
  out.name = in.name + "_int8";
  end_quantized(begin("Int8Quantize", nhwc), proto::QUANTIZE, out.name);
  return out;
}

Blob NetBuilder::dequantize(const Blob& in, const std::string& name) {
  if (!is_int8()) return in;
  end(begin("Int8Dequantize", in), proto::DEQUANTIZE, name);
  Blob out = in;
  out.name = name;
  return out;
}

Blob NetBuilder::conv(const Blob& in, const ConvPlan& plan, const std::string& prefix) {
  const std::string name = prefix.empty() ? plan.role : prefix + "_" + plan.role;
  const bool has_relu = holds(plan.relu, precision_);
  const bool own_relu = has_relu && !is_int8();
  const bool own_blob = own_relu && !space_.file.relu_in_place();

  Blob out{own_blob ? name + "_conv" : name, in.batch, plan.out_channels, convolved_size(in.height, plan),
           convolved_size(in.width, plan)};
  Operator op = begin(typed(has_relu && is_int8() ? "ConvRelu" : "Conv"), in);
  const int64_t group_channels = plan.in_channels / plan.groups;
  if (is_int8()) {
    parameter(op, name + "_w", {plan.out_channels, plan.kernel, plan.kernel, group_channels},
              DataType::kUint8);
  } else {
    parameter(op, name + "_w", {plan.out_channels, group_channels, plan.kernel, plan.kernel},
              DataType::kFloat);
  }
  if (holds(plan.bias, precision_)) {
    parameter(op, name + "_b", {plan.out_channels}, is_int8() ? DataType::kInt32 : DataType::kFloat);
  }
  op.args.push_back(Argument::of_int("kernel", plan.kernel));
  op.args.push_back(Argument::of_int("stride", plan.stride));
  op.args.push_back(Argument::of_int("pad", plan.pad));
  if (plan.groups > 1) op.args.push_back(Argument::of_int("group", plan.groups));
  if (plan.dilation > 1) op.args.push_back(Argument::of_int("dilation", plan.dilation));
  op.args.push_back(order());
  end_quantized(std::move(op), plan.depthwise ? proto::DEPTHWISE : proto::CONV, out.name);

  if (own_relu) out = relu(out, name);
  if (plan.shuffled) out = shuffle(out, plan.groups, name + "_shuffle");
  return out;
}

Blob NetBuilder::relu(const Blob& in, const std::string& name) {
  end(begin("Relu", in), proto::RELU, name);
  Blob out = in;
  out.name = name;
  return out;
}

Blob NetBuilder::shuffle(const Blob& in, int64_t groups, const std::string& name) {
  Operator op = begin(typed("ChannelShuffle"), in);
  op.args.push_back(Argument::of_int("group", groups));
  end_quantized(std::move(op), proto::CHANNEL_SHUFFLE, name);
  Blob out = in;
  out.name = name;
  return out;
}

Blob NetBuilder::sum(const Blob& a, const Blob& b, const std::string& name) {
  Operator op = begin(typed("Sum"), a);
  op.inputs.push_back(b.name);
  end_quantized(std::move(op), proto::SUM, name);
  Blob out = a;
  out.name = name;
  return out;
}

Blob NetBuilder::average_pool(const Blob& in, const std::string& name) {
  Operator op = begin(typed("AveragePool"), in);
  if (in.height == in.width) {
    op.args.push_back(Argument::of_int("kernel", in.height));
  } else {
    op.args.push_back(Argument::of_int("kernel_h", in.height));
    op.args.push_back(Argument::of_int("kernel_w", in.width));
  }
  op.args.push_back(Argument::of_int("stride", 1));
  op.args.push_back(order());
  end_quantized(std::move(op), proto::AVERAGE_POOL, name);
  return {name, in.batch, in.channels, 1, 1};
}

Blob NetBuilder::fully_connected(const Blob& in, int64_t classes, const std::string& name) {
  Operator op = begin(typed("FC"), in);
  const int64_t features = in.channels * in.height * in.width;
  parameter(op, name + "_w", {classes, features}, is_int8() ? DataType::kUint8 : DataType::kFloat);
  parameter(op, name + "_b", {classes}, is_int8() ? DataType::kInt32 : DataType::kFloat);
  end_quantized(std::move(op), proto::FC, name);
  return {name, in.batch, classes, 1, 1};
}

Blob NetBuilder::softmax(const Blob& in, const std::string& name) {
  Blob out = in;
  out.name = is_int8() ? name + "_int8" : name;
  end_quantized(begin(typed("Softmax"), in), proto::SOFTMAX, out.name, kSoftmaxScale);
  return out;
}

std::string NetBuilder::typed(std::string_view type) const {
  return std::string(is_int8() ? "Int8" : "").append(type);
}

Argument NetBuilder::order() const { return Argument::of_string("order", is_int8() ? "NHWC" : "NCHW"); }

net::Shape NetBuilder::activation_shape(const Blob& blob) const {
  if (is_int8()) return {blob.batch, blob.height, blob.width, blob.channels};
  return {blob.batch, blob.channels, blob.height, blob.width};
}

void NetBuilder::parameter(Operator& op, const std::string& name, net::Shape shape, DataType dtype) {
  op.inputs.push_back(name);
  net_.external_inputs.push_back(name);
  net_.parameters[name] = {std::move(shape), dtype};
}

Operator NetBuilder::begin(std::string type, const Blob& in) const {
  Operator op;
  op.type = std::move(type);
  op.inputs.push_back(in.name);
  return op;
}

void NetBuilder::end(Operator op, proto::OperatorClass operator_class, const std::string& output) {
  for (const proto::ArgumentRule& rule : space_.file.arguments()) {
    if (!applies(rule, operator_class, precision_)) continue;
    if (rule.has_engine()) op.engine = rule.engine();
    for (const proto::Argument& extra : rule.arg()) {
      const auto earlier = std::ranges::find(op.args, extra.name(), &Argument::name);
      if (earlier != op.args.end()) {
        *earlier = to_argument(extra);
      } else {
        op.args.push_back(to_argument(extra));
      }
    }
  }
  op.outputs.push_back(output);
  net_.ops.push_back(std::move(op));
}

void NetBuilder::end_quantized(Operator op, proto::OperatorClass operator_class, const std::string& output,
                               float scale) {
  if (is_int8()) {
    op.args.push_back(Argument::of_float("Y_scale", scale));
    op.args.push_back(Argument::of_int("Y_zero_point", 0));
  }
  end(std::move(op), operator_class, output);
}

}  // namespace latgrad::search::internal
