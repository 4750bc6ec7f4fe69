#include "latgrad/net/init_net.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"
#include "latgrad/net/infer_shapes.h"
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
  base::refuse_foreign_file(bytes, "a Caffe2 init net", source);
  const Net init = is_binary(bytes) ? read_netdef_wire(bytes, source, LongValues::kSkip)
                                    : parse_netdef_text(bytes, source);
  // Beside fills init nets hold whatever makes a parameter. It runs as the network does; what tells no shape
  // is the business of who reads it.
  NetShapes shapes = infer_shapes(init, {.allow_unknown = true, .allow_open_inputs = true});
  for (size_t index = 0; index < init.ops.size(); ++index) {
    const Operator& op = init.ops[index];
    for (const std::string& blob : op.outputs) {
      if (shapes.blobs.contains(blob)) continue;
      net.unfilled_parameters[blob] = fmt::format("op {} \"{}\" of {}", index, op.type, source);
    }
  }
  // What the init net makes for itself is no parameter.
  std::set<std::string_view> own;
  for (const Operator& op : init.ops) own.insert(op.inputs.begin(), op.inputs.end());
  std::erase_if(shapes.blobs, [&](const auto& entry) {
    return own.contains(entry.first) && !is_read_from_outside(net, entry.first);
  });
  for (const auto& [blob, info] : shapes.blobs) net.unfilled_parameters.erase(blob);
  shapes.blobs.merge(net.parameters);  // what was filled before and is not again
  net.parameters = std::move(shapes.blobs);
  for (auto& [blob, values] : shapes.values) {
    if (net.parameters.contains(blob)) net.parameter_values.insert_or_assign(blob, std::move(values));
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
