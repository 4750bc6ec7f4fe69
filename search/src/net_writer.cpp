#include "net_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "fragment_builder.h"
#include "latgrad/base/error.h"
#include "latgrad/net/registry.h"

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

// By which argument rules choose, where they know the type at all. A convolution is depthwise where the space
// file calls it so: a 1x1 convolution with as many groups as channels is none.
std::optional<proto::OperatorClass> class_of(const Operator& op) {
  if (op.type == "Conv" || op.type == "ConvRelu") {
    return op.outputs[0].starts_with(kDepthwiseRole) ? proto::DEPTHWISE : proto::CONV;
  }
  if (op.type == "Relu") return proto::RELU;
  if (op.type == "ChannelShuffle") return proto::CHANNEL_SHUFFLE;
  if (op.type == "Sum") return proto::SUM;
  if (op.type == "AveragePool") return proto::AVERAGE_POOL;
  if (op.type == "MaxPool") return proto::MAX_POOL;
  if (op.type == "Mul") return proto::MUL;
  for (const char* type : {"Clip", "HardSwish", "Swish", "HardSigmoid", "Sigmoid", "Gelu"}) {
    if (op.type == type) return proto::ACTIVATION;
  }
  if (op.type == "FC") return proto::FC;
  return std::nullopt;
}

bool is_relu6(const Operator& op) {
  const Argument* min = op.find_arg("min");
  const Argument* max = op.find_arg("max");
  return op.type == "Clip" && min != nullptr && max != nullptr && min->f == 0.0F && max->f == 6.0F;
}

// Arguments that count dimensions, which channels come last of in int8 networks.
bool names_dimensions(const Operator& op) {
  static constexpr std::array kNames = {"axis", "axes", "shape", "starts", "ends", "dims", "split"};
  return std::ranges::any_of(kNames, [&](const char* name) { return op.find_arg(name) != nullptr; });
}

// Whether one operator reads the blob, and nothing outside the fragment.
bool is_read_once(const Fragment& fragment, const std::string& blob) {
  size_t readers = fragment.output == blob ? 1 : 0;
  for (const Operator& op : fragment.ops) readers += std::ranges::count(op.inputs, blob);
  return readers == 1;
}

Operator simple_operator(std::string type, const std::string& in, const std::string& out) {
  Operator op;
  op.type = std::move(type);
  op.inputs = {in};
  op.outputs = {out};
  return op;
}

}  // namespace

NetWriter::NetWriter(const SpaceImpl& space, Precision precision, std::string net_name)
    : space_(space), precision_(precision) {
  net_.name = std::move(net_name);
  net_.source = space.source;
}

std::string NetWriter::image() {
  const proto::Input& input = space_.file.input();
  const std::string& name = input.blob();
  net_.inputs[name] = {{input.batch(), input.channels(), input.height(), input.width()}, DataType::kFloat};
  net_.external_inputs.push_back(name);
  return name;
}

std::string NetWriter::activation(const std::string& name, int64_t channels, int64_t height, int64_t width) {
  const int64_t batch = space_.file.input().batch();
  net_.inputs[name] = is_int8() ? net::TensorInfo{{batch, height, width, channels}, DataType::kUint8}
                                : net::TensorInfo{{batch, channels, height, width}, DataType::kFloat};
  net_.external_inputs.push_back(name);
  return name;
}

std::string NetWriter::tokens(const std::string& name, int64_t tokens, int64_t channels) {
  net_.inputs[name] = {{space_.file.input().batch(), tokens, channels}, DataType::kFloat};
  net_.external_inputs.push_back(name);
  return name;
}

std::string NetWriter::quantize(const std::string& in) {
  if (!is_int8()) return in;
  write(simple_operator("NCHW2NHWC", in, in + "_nhwc"), proto::LAYOUT_CHANGE);
  write_in_precision(simple_operator("Quantize", in + "_nhwc", in + "_int8"), proto::QUANTIZE);
  return in + "_int8";
}

std::string NetWriter::softmax(const std::string& in, const std::string& output) {
  const std::string softmax = is_int8() ? output + "_int8" : output;
  write_in_precision(simple_operator("Softmax", in, softmax), proto::SOFTMAX, kSoftmaxScale);
  if (is_int8()) write(simple_operator("Int8Dequantize", softmax, output), proto::DEQUANTIZE);
  return output;
}

std::string NetWriter::dequantize(const std::string& in) {
  if (!is_int8()) return in;
  write(simple_operator("Int8Dequantize", in, in + "_float"), proto::DEQUANTIZE);
  return in + "_float";
}

std::string NetWriter::append(const Fragment& fragment, const std::string& in, const std::string& prefix) {
  const auto renamed = [&](const std::string& blob) {
    if (blob == fragment.input) return in;
    return prefix.empty() ? blob : fmt::format("{}_{}", prefix, blob);
  };
  for (Operator& op : with_relus_joined(fragment)) {
    const auto operator_class = class_of(op);
    const auto first = fragment.parameters.find(op.inputs.front());
    const bool is_class_token = op.type == "Concat" && first != fragment.parameters.end() &&
                                first->second.shape.size() == 3 && first->second.shape.front() == 1;
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      const auto parameter = fragment.parameters.find(op.inputs[i]);
      op.inputs[i] = renamed(op.inputs[i]);
      if (parameter != fragment.parameters.end()) {
        add_parameter(op.inputs[i], parameter->second, /*is_bias=*/i > 1);
      }
    }
    for (std::string& blob : op.outputs) blob = renamed(blob);
    if (is_class_token) repeat_for_batch(op.inputs.front());
    write_in_precision(std::move(op), operator_class);
  }
  return renamed(fragment.output);
}

// A class token is the same for each image.
void NetWriter::repeat_for_batch(std::string& parameter) {
  const int64_t batch = space_.file.input().batch();
  if (batch == 1) return;
  Operator op = simple_operator("Tile", parameter, parameter + "_tiled");
  op.args = {Argument::of_int("tiles", batch), Argument::of_int("axis", 0)};
  parameter = op.outputs.front();
  write_in_precision(std::move(op), std::nullopt);
}

// Where a ReLU has no blob of its own, as it is fused (int8) or in place (fp32), what it reads is written
// into its output.
std::vector<Operator> NetWriter::with_relus_joined(const Fragment& fragment) const {
  std::vector<Operator> ops;
  for (const Operator& op : fragment.ops) {
    const bool follows = (op.type == "Relu" || is_relu6(op)) && !ops.empty() &&
                         ops.back().outputs == op.inputs && is_read_once(fragment, op.inputs.front());
    // An int8 convolution cuts off at 0, and above where its scale ends: at 6 as well.
    if (follows && is_int8() && ops.back().type == "Conv") {
      ops.back().type = "ConvRelu";
      ops.back().outputs = op.outputs;
      continue;
    }
    ops.push_back(op);
    if (follows && op.type == "Relu" && !is_int8() && space_.file.relu_in_place()) {
      ops[ops.size() - 2].outputs = op.outputs;
      ops.back().inputs = op.outputs;
    }
  }
  return ops;
}

void NetWriter::add_parameter(const std::string& name, net::TensorInfo info, bool is_bias) {
  if (is_int8()) {
    info.dtype = is_bias ? DataType::kInt32 : DataType::kUint8;
    // NCHW to NHWC.
    if (info.shape.size() == 4) std::rotate(info.shape.begin() + 1, info.shape.begin() + 2, info.shape.end());
  }
  if (net_.parameters.emplace(name, std::move(info)).second) net_.external_inputs.push_back(name);
}

void NetWriter::write(Operator op, std::optional<proto::OperatorClass> operator_class) {
  for (const proto::ArgumentRule& rule : space_.file.arguments()) {
    if (!operator_class || !applies(rule, *operator_class, precision_)) continue;
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
  net_.ops.push_back(std::move(op));
}

void NetWriter::write_in_precision(Operator op, std::optional<proto::OperatorClass> operator_class,
                                   float scale) {
  if (is_int8()) {
    op.type = "Int8" + op.type;
    if (net::find_operator_type(op.type) == nullptr) {
      throw ValueError(fmt::format("int8 has no operator {}, which writes {}: take precision fp32, or choose "
                                   "another activation or candidate",
                                   op.type, op.outputs.front()),
                       {.file = space_.source});
    }
    if (names_dimensions(op)) {
      throw ValueError(
          fmt::format("{} counts dimensions, and int8 networks have their channels last: take precision "
                      "fp32 for what writes {}",
                      op.type, op.outputs.front()),
          {.file = space_.source});
    }
    const auto order = std::ranges::find(op.args, "order", &Argument::name);
    if (order != op.args.end()) order->s = "NHWC";
    op.args.push_back(Argument::of_float("Y_scale", scale));
    op.args.push_back(Argument::of_int("Y_zero_point", 0));
  }
  write(std::move(op), operator_class);
}

}  // namespace latgrad::search::internal
