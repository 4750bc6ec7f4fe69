#include "latgrad/net/init_net.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "fill_operator.h"
#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"
#include "netdef_wire.h"
#include "text_or_binary.h"

namespace latgrad::net {
namespace {

std::string_view fill_type(DataType dtype, bool quantised) {
  switch (dtype) {
    case DataType::kUint8:
      return quantised ? "Int8GivenTensorFill" : "GivenTensorByteStringToUInt8Fill";
    case DataType::kInt32:
      return quantised ? "Int8GivenIntTensorFill" : "GivenTensorIntFill";
    case DataType::kInt64:
      return "GivenTensorInt64Fill";
    case DataType::kInt16:
      return "GivenTensorInt16Fill";
    case DataType::kBool:
      return "GivenTensorBoolFill";
    case DataType::kString:
      return "GivenTensorStringFill";
    case DataType::kDouble:
      return "GivenTensorDoubleFill";
    case DataType::kFloat16:
      return "Float16ConstantFill";
    case DataType::kFloat:
    case DataType::kUndefined:
      return "GivenTensorFill";
    default:
      return "ConstantFill";
  }
}

// The blobs that int8 operators read: their integers carry a scale.
std::set<std::string_view> quantised_blobs(const Net& net) {
  std::set<std::string_view> blobs;
  for (const Operator& op : net.ops) {
    if (op.type.starts_with("Int8")) blobs.insert(op.inputs.begin(), op.inputs.end());
  }
  return blobs;
}

}  // namespace

void add_init_net(Net& net, std::string_view bytes, const std::string& source) {
  const Net init =
      is_binary(bytes) ? read_netdef_wire(bytes, source, Values::kSkip) : parse_netdef_text(bytes, source);
  for (size_t index = 0; index < init.ops.size(); ++index) {
    const Operator& op = init.ops[index];
    Place place{.file = source, .op_index = static_cast<int64_t>(index), .op_type = op.type};
    if (!is_fill_operator(op.type)) {
      throw NetError(fmt::format("an init net must consist of fill operators, got \"{}\"", op.type), place);
    }
    if (op.outputs.size() != 1) {
      throw NetError(fmt::format("a fill operator must have 1 output, got {}", op.outputs.size()), place);
    }
    place.blob = op.outputs[0];
    std::optional<TensorInfo> input;
    if (!op.inputs.empty()) {
      const auto it = net.parameters.find(op.inputs[0]);
      if (it == net.parameters.end()) {
        place.blob = op.inputs[0];
        throw NetError("a fill operator must read a blob that was filled before it", place);
      }
      input = it->second;
    }
    net.parameters.insert_or_assign(op.outputs[0], fill_operator_output(op, input, place));
  }
}

Net init_net(const Net& net) {
  Net init;
  if (!net.name.empty()) init.name = net.name + "_init";
  const std::set<std::string_view> quantised = quantised_blobs(net);
  for (const auto& [blob, info] : net.parameters) {
    Operator op;
    op.type = fill_type(info.dtype, quantised.contains(blob));
    op.outputs = {blob};
    Argument shape;
    shape.name = "shape";
    shape.ints = info.shape;
    op.args.push_back(std::move(shape));
    if (op.type == "ConstantFill")
      op.args.push_back(Argument::of_int("dtype", static_cast<int64_t>(info.dtype)));
    init.ops.push_back(std::move(op));
    init.external_outputs.push_back(blob);
  }
  return init;
}

}  // namespace latgrad::net
