#include "onnx_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/net/memory.h"
#include "onnx_types.h"
#include "operator_place.h"
#include "tensor_bytes.h"

namespace latgrad::net {
namespace {

using onnx_ops::Dimensions;
using onnx_ops::find_writing_row;
using onnx_ops::WritingRow;

// Of early 2024: every runtime of today reads it. Newer operators raise it.
constexpr int64_t kOpset = 20;
// Of a quantised tensor whose operator does not say: it holds -8 to 8.
constexpr float kScale = 1.0F / 16;
constexpr int64_t kZeroPoint = 128;
// Protobuf messages end at 2 GiB.
constexpr int64_t kMaxBytes = (int64_t{1} << 31) - (int64_t{1} << 20);

// Since then nodes have metadata.
constexpr int64_t kNotesIrVersion = 10;

// Source: onnx/docs/Versioning.md.
int64_t ir_version(int64_t opset) {
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  return opset <= 23 ? 11 : 12;
}

std::vector<int64_t> counted(size_t count) {
  std::vector<int64_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

// From channels last to channels first, and back.
template <typename T>
std::vector<T> channels_first(std::vector<T> dims) {
  std::rotate(dims.begin() + 1, dims.end() - 1, dims.end());
  return dims;
}
template <typename T>
std::vector<T> channels_last(std::vector<T> dims) {
  std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
  return dims;
}

constexpr size_t kImageRank = 3;  // at least

bool has_one_pixel(const Shape& image) {
  return image.size() >= kImageRank &&
         std::all_of(image.begin() + 2, image.end(), [](int64_t dim) { return dim == 1; });
}

bool is_quantised_type(DataType dtype) {
  return dtype == DataType::kUint8 || dtype == DataType::kInt8 || dtype == DataType::kInt32;
}

void describe(onnx::ValueInfoProto& description, const std::string& name, const TensorInfo& info) {
  description.set_name(name);
  onnx::TypeProto::Tensor& type = *description.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<int>(onnx_type_of(info.dtype)));
  onnx::TensorShapeProto& shape = *type.mutable_shape();
  for (const int64_t dim : info.shape) shape.add_dim()->set_dim_value(dim);
}

// The name, or with a number where it is taken. Takes it.
std::string unique(std::string_view name, std::unordered_set<std::string>& taken) {
  std::string own(name);
  for (size_t number = 2; !taken.insert(own).second; ++number) own = fmt::format("{}_{}", name, number);
  return own;
}

// Uniform weights up to this keep the variance of what they multiply.
double weight_bound(const Shape& weight) {
  const double fan_in =
      std::accumulate(weight.begin() + 1, weight.end(), 1.0,
                      [](double product, int64_t dim) { return product * static_cast<double>(dim); });
  return std::sqrt(3 / std::max(fan_in, 1.0));
}

}  // namespace

OnnxWriter::OnnxWriter(const Net& net, const OnnxOptions& options)
    : net_(net), options_(options), shapes_(infer_shapes(net)), opset_(kOpset), random_(options.seed) {}

void OnnxWriter::write(onnx::ModelProto& model) && {
  model.set_producer_name("latgrad");
  graph_ = model.mutable_graph();
  graph_->set_name(net_.name.empty() ? "net" : net_.name);
  add_inputs();
  for (; index_ < net_.ops.size(); ++index_) {
    op_ = &net_.ops[index_];
    try {
      write_operator();
    } catch (const ValueError& error) {
      Place where = place();
      where.field = error.place().field;
      throw NetError(error.message(), std::move(where));
    }
  }
  add_outputs();
  model.set_ir_version(std::max(ir_version(opset_), has_notes_ ? kNotesIrVersion : 0));
  model.add_opset_import()->set_version(opset_);
}

Place OnnxWriter::place() const { return operator_place(net_.source, index_, op()); }

void OnnxWriter::add_inputs() {
  for (const Operator& op : net_.ops) blobs_.insert(op.outputs.begin(), op.outputs.end());
  const auto add = [&](const std::string& blob) {
    const auto it = net_.inputs.find(blob);
    const bool is_output = std::ranges::find(net_.external_outputs, blob) != net_.external_outputs.end();
    if (it == net_.inputs.end() || values_.contains(it->first)) return;
    if (!is_read_from_outside(net_, blob) && !(is_output && !is_written(net_, blob))) return;
    describe(*graph_->add_input(), unique(blob, names_), it->second);
    written_.insert(blob);
    values_[it->first] = {.name = blob, .info = it->second};
  };
  // In the order of the network; not every file lists them.
  for (const std::string& blob : net_.external_inputs) add(blob);
  for (const auto& [blob, info] : net_.inputs) add(blob);
}

// Every output has a name of its own, which a node writes.
void OnnxWriter::add_outputs() {
  std::unordered_set<std::string> taken;
  for (const onnx::ValueInfoProto& input : graph_->input()) taken.insert(input.name());
  op_ = nullptr;
  for (const std::string& blob : net_.external_outputs) {
    const auto it = values_.find(blob);
    if (it == values_.end() || !written_.contains(it->second.name)) {
      throw NetError(
          "an output of an ONNX model must be written by one of its nodes, got one that none writes",
          {.file = net_.source, .blob = blob});
    }
    std::string name = read(it->second, {});
    if (!taken.insert(name).second) {
      const std::string copy = fresh(blob);
      add_node("Identity", {name}, {copy});
      taken.insert(copy);
      name = copy;
    }
    // Of an input that no operator reads inference says nothing.
    const auto inferred = shapes_.blobs.find(blob);
    describe(*graph_->add_output(), name,
             inferred == shapes_.blobs.end() ? it->second.info : inferred->second);
  }
}

OnnxWriter::Value* OnnxWriter::find_value(const std::string& blob) {
  const auto it = values_.find(blob);
  if (it == values_.end()) return nullptr;
  if (written_.contains(it->second.name)) return &it->second;
  Place where = place();
  where.blob = blob;
  throw NetError("an operator must read what the nodes of ONNX write, got an output that no node has",
                 std::move(where));
}

std::string OnnxWriter::fresh(std::string_view name) {
  std::string own(name);
  while (blobs_.contains(own)) own += "_";
  return unique(own, names_);
}

onnx::NodeProto& OnnxWriter::add_node(std::string_view type, std::vector<std::string> inputs,
                                      std::vector<std::string> outputs) {
  onnx::NodeProto& node = *graph_->add_node();
  node.set_op_type(std::string(type));
  if (op_ != nullptr && !op_->name.empty()) node.set_name(unique(op_->name, node_names_));
  for (std::string& input : inputs) node.add_input(std::move(input));
  for (std::string& output : outputs) {
    written_.insert(output);
    node.add_output(std::move(output));
  }
  return node;
}

// Each form of a value is made once.
std::string OnnxWriter::read(Value& value, Form form) {
  std::string name = value.name;
  const bool is_transposed = form.is_image != value.is_nhwc;
  if (is_transposed) {
    if (value.transposed.empty()) {
      const std::vector<int64_t> axes = counted(value.info.shape.size());
      value.transposed = fresh(fmt::format("{}_{}", name, form.is_image ? "nchw" : "nhwc"));
      set_integers(add_node("Transpose", {name}, {value.transposed}), "perm",
                   form.is_image ? channels_first(axes) : channels_last(axes));
    }
    name = value.transposed;
  }
  if (!form.is_float || value.scale.empty()) return name;
  std::string& real = is_transposed ? value.transposed_float : value.as_float;
  if (real.empty()) {
    real = fresh(name + "_dequantized");
    add_node("DequantizeLinear", {name, value.scale, value.zero_point}, {real});
  }
  return real;
}

// The graph has the channels first before and after: it needs no node.
void OnnxWriter::write_layout_change(bool to_nhwc) {
  Value* input = find_value(op().inputs[0]);
  if (input == nullptr) throw ValueError("a change of layout must be of what an operator writes");
  Value output = *input;
  if (input->is_nhwc == to_nhwc) {
    // What was not that layout is taken for it.
    output = {.name = read(*input, {.is_image = !to_nhwc}),
              .info = {to_nhwc ? shapes().inputs[0].shape : shapes().outputs[0].shape, input->info.dtype},
              .scale = input->scale,
              .zero_point = input->zero_point,
              .scale_value = input->scale_value};
  }
  output.is_nhwc = to_nhwc;
  values_[op().outputs[0]] = std::move(output);
}

void OnnxWriter::set_quantisation(Value& value, const Value* input) {
  const Arguments args(op().type, op().args);
  float scale = args.number("Y_scale", 0);
  if (!args.has("Y_scale") && input != nullptr && !input->scale.empty()) {
    value.scale = input->scale;
    value.zero_point = input->zero_point;
    value.scale_value = input->scale_value;
    return;
  }
  if (!(scale > 0) || !std::isfinite(scale)) scale = kScale;
  const int64_t zero_point = std::clamp<int64_t>(args.integer("Y_zero_point", kZeroPoint), 0, 255);
  value.scale = constant({scale}, {}, DataType::kFloat);
  value.scale_value = scale;
  value.zero_point = constant({static_cast<double>(zero_point)}, {}, DataType::kUint8);
}

void OnnxWriter::write_quantise() {
  Value* input = find_value(op().inputs[0]);
  if (input == nullptr) throw ValueError("what is quantised must be what an operator writes");
  Value output{.name = unique(op().outputs[0], names_),
               .info = {input->info.shape, DataType::kUint8},
               .is_nhwc = input->is_nhwc};
  set_quantisation(output, nullptr);
  add_node("QuantizeLinear", {input->name, output.scale, output.zero_point}, {output.name});
  values_[op().outputs[0]] = std::move(output);
}

void OnnxWriter::write_dequantise() {
  Value* input = find_value(op().inputs[0]);
  if (input == nullptr) throw ValueError("what is dequantised must be what an operator writes");
  if (input->scale.empty()) set_quantisation(*input, nullptr);
  Value output{.name = unique(op().outputs[0], names_),
               .info = {input->info.shape, DataType::kFloat},
               .is_nhwc = input->is_nhwc};
  add_node("DequantizeLinear", {input->name, input->scale, input->zero_point}, {output.name});
  values_[op().outputs[0]] = std::move(output);
}

// Of the last of these inputs. A bias is added to the products of the first two: with another scale than
// theirs, engines compute in floats.
float OnnxWriter::parameter_scale(const std::vector<NodeWriter::Input>& inputs) {
  const NodeWriter::Input& parameter = inputs.back();
  if (parameter.info.dtype == DataType::kInt32) {
    return inputs.size() > 2 ? inputs[0].scale_value * inputs[1].scale_value : kScale / 128;
  }
  const Shape& shape = parameter.info.shape;
  return shape.empty() ? kScale / 128 : static_cast<float>(weight_bound(shape) / 127);
}

// Whether the operator takes and gives images with the channels first, while the network has them last.
bool OnnxWriter::reads_images(Dimensions dimensions) {
  const Shape& first = shapes().inputs.empty() ? Shape() : shapes().inputs[0].shape;
  const auto is_nhwc = [&](const std::string& blob) {
    const Value* value = find_value(blob);
    return value != nullptr && value->is_nhwc;
  };
  switch (dimensions) {
    case Dimensions::kAsStored:
      return false;
    case Dimensions::kImage:
      return first.size() >= kImageRank && Arguments(op().type, op().args).is_nhwc();
    case Dimensions::kAny:
      return std::ranges::any_of(op().inputs, is_nhwc) &&
             std::ranges::all_of(shapes().inputs,
                                 [&](const TensorInfo& input) { return input.shape == first; });
    case Dimensions::kRows:
      return is_nhwc(op().inputs[0]) && has_one_pixel(find_value(op().inputs[0])->info.shape) &&
             Arguments(op().type, op().args).integer("axis", 1) == 1;
  }
  return false;
}

std::vector<NodeWriter::Input> OnnxWriter::read_inputs(bool is_int8, Dimensions dimensions) {
  const bool as_images = reads_images(dimensions);
  std::vector<NodeWriter::Input> inputs;
  for (size_t i = 0; i < op().inputs.size(); ++i) {
    NodeWriter::Input& input = inputs.emplace_back();
    input.info = shapes().inputs[i];
    Value* value = find_value(op().inputs[i]);
    input.is_parameter = value == nullptr;
    input.is_quantised = is_int8 && is_quantised_type(input.info.dtype);
    const bool is_image =
        as_images && input.info.shape.size() >= kImageRank && (i == 0 || dimensions != Dimensions::kRows);
    if (is_image) input.info.shape = channels_first(input.info.shape);
    input.is_turned = is_image && input.is_parameter;
    if (value == nullptr) {
      input.scale_value = input.is_quantised ? parameter_scale(inputs) : 0;
      continue;
    }
    if (input.is_quantised && value->scale.empty()) set_quantisation(*value, nullptr);
    input.is_image = is_image;
    input.stored = read(*value, {.is_image = is_image});
    input.scale = value->scale;
    input.zero_point = value->zero_point;
    input.scale_value = value->scale_value;
  }
  return inputs;
}

void OnnxWriter::write_operator() {
  if (op().type == "NCHW2NHWC" || op().type == "NHWC2NCHW")
    return write_layout_change(op().type == "NCHW2NHWC");
  if (op().type == "Int8Quantize") return write_quantise();
  if (op().type == "Int8Dequantize") return write_dequantise();

  std::string_view type = op().type;
  const bool is_int8 = type.starts_with("Int8");
  if (is_int8) type.remove_prefix(std::string_view("Int8").size());
  const WritingRow* row = find_writing_row(type);
  const bool has_relu = row == nullptr && type.ends_with("Relu");
  if (has_relu) {
    type.remove_suffix(std::string_view("Relu").size());
    row = find_writing_row(type);
  }
  if (row == nullptr) {
    throw ValueError(fmt::format("an operator must have a form in ONNX, got \"{}\"", op().type));
  }

  std::vector<NodeWriter::Input> inputs = read_inputs(is_int8, row->dimensions);
  const bool has_images = reads_images(row->dimensions) && row->dimensions != Dimensions::kRows;
  std::vector<Value> outputs;
  std::vector<NodeWriter::Output> written;
  for (size_t i = 0; i < op().outputs.size(); ++i) {
    Value& output = outputs.emplace_back();
    output.name = unique(op().outputs[i], names_);
    output.info = shapes().outputs[i];
    output.is_nhwc = has_images && output.info.shape.size() >= kImageRank;
    if (output.is_nhwc) output.info.shape = channels_first(output.info.shape);
    written.push_back({output.name, output.info});
  }
  const bool is_quantised = is_int8 && outputs[0].info.dtype == DataType::kUint8;
  if (is_quantised) {
    set_quantisation(outputs[0], find_value(op().inputs[0]));
    written[0].value = fresh(outputs[0].name + "_float");
  }
  const std::string last = written[0].value;
  if (has_relu) written[0].value = fresh(outputs[0].name + "_linear");

  const Arguments args(op().type, op().args);
  NodeWriter writer(*this, op(), args, std::move(inputs), written, has_images);
  const int first_node = graph_->node_size();
  row->write(writer, row->target);
  add_notes(first_node);
  if (has_relu) add_node("Relu", {written[0].value}, {last});
  if (is_quantised) {
    add_node("QuantizeLinear", {last, outputs[0].scale, outputs[0].zero_point}, {outputs[0].name});
  }
  for (size_t i = 0; i < outputs.size(); ++i) values_[op().outputs[i]] = std::move(outputs[i]);
}

void OnnxWriter::add_notes(int first_node) {
  const auto note = [&](int node, std::string_view name, std::string value) {
    has_notes_ = true;
    onnx::StringStringEntryProto& of_node = *graph_->mutable_node(node)->add_metadata_props();
    of_node.set_key(fmt::format("{}{}", kOwnNote, name));
    of_node.set_value(std::move(value));
  };
  for (const Argument& arg : op().args) {
    if (!arg.i || std::ranges::find(kNotedHints, arg.name) == kNotedHints.end()) continue;
    for (int i = first_node; i < graph_->node_size(); ++i) note(i, arg.name, std::to_string(*arg.i));
  }
  if (!op().type.starts_with("Int8Sum")) return;
  for (int i = first_node; i < graph_->node_size(); ++i) {
    if (graph_->node(i).op_type() == "Add") note(i, kTypeNote, "Sum");
  }
}

std::string OnnxWriter::constant(const Values& values, const Shape& shape, DataType dtype) {
  std::string key =
      fmt::format("{}:{}:{}", static_cast<int>(dtype), fmt::join(shape, ","), fmt::join(values, ","));
  const auto it = constants_.find(key);
  if (it != constants_.end()) return it->second;
  std::string name = fresh(fmt::format("constant_{}", fmt::join(values, "_")));
  add_tensor(name, {shape, dtype}, &values);
  return constants_.emplace(std::move(key), std::move(name)).first->second;
}

// Without `values`: random weights, or what ConstantOfShape makes when the network runs.
void OnnxWriter::add_tensor(const std::string& name, const TensorInfo& info, const Values* values) {
  const auto onnx_type = static_cast<int>(onnx_type_of(info.dtype));
  if (values == nullptr && options_.weights == OnnxWeights::kLeftOut) {
    const std::string dims = constant(Values(info.shape.begin(), info.shape.end()),
                                      {static_cast<int64_t>(info.shape.size())}, DataType::kInt64);
    onnx::AttributeProto& attribute = *add_node("ConstantOfShape", {dims}, {name}).add_attribute();
    attribute.set_name("value");
    attribute.set_type(static_cast<int>(OnnxAttribute::kTensor));
    onnx::TensorProto& element = *attribute.mutable_t();
    element.add_dims(1);
    element.set_data_type(onnx_type);
    append_element(*element.mutable_raw_data(), is_floating(info.dtype) ? 0.01 : 0, info.dtype);
    return;
  }
  if (element_bytes(info.dtype) == 0) {
    throw NetError("a parameter must hold numbers, got strings", {.file = net_.source, .blob = name});
  }
  if (num_elements(info.shape) > kMaxBytes / element_bytes(info.dtype)) {
    throw NetError("the parameters in an ONNX file must stay below 2 GiB: leave the weights out",
                   {.file = net_.source, .blob = name});
  }
  onnx::TensorProto& tensor = *graph_->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx_type);
  for (const int64_t dim : info.shape) tensor.add_dims(dim);
  if (values == nullptr) return add_weights(tensor, info);
  for (const double value : *values) append_element(*tensor.mutable_raw_data(), value, info.dtype);
}

// Weights that keep the size of what they multiply. Vectors may be variances: they are positive. Integers may
// be indices: zeros are within every range; those of 8 bits are quantised weights.
void OnnxWriter::add_weights(onnx::TensorProto& tensor, const TensorInfo& info) {
  const bool is_vector = info.shape.size() < 2;
  const double bound = is_vector ? 1 : weight_bound(info.shape);
  const int64_t count = num_elements(info.shape);
  std::string& bytes = *tensor.mutable_raw_data();
  bytes.reserve(static_cast<size_t>(count * element_bytes(info.dtype)));
  for (int64_t i = 0; i < count; ++i) {
    const double unit = static_cast<double>(random_() >> 11) * 0x1p-53;  // [0, 1)
    double value = 0;
    if (is_floating(info.dtype)) {
      value = is_vector ? 0.1 + 0.9 * unit : bound * (2 * unit - 1);
    } else if (info.dtype == DataType::kInt8) {
      value = std::floor(255 * unit) - 127;
    }
    append_element(bytes, value, info.dtype);
  }
}

// A quantised weight has 8 bits, a bias 32.
std::string OnnxWriter::parameter(const std::string& blob, const NodeWriter::Input& input,
                                  const Shape& shape) {
  const bool is_bias = input.info.dtype == DataType::kInt32;
  const DataType dtype = input.is_quantised && !is_bias ? DataType::kInt8 : input.info.dtype;
  std::string& name = parameters_[fmt::format("{}:{}:{}:{}", blob, to_string(shape), static_cast<int>(dtype),
                                              input.scale_value)];
  if (!name.empty()) return name;
  const auto known = net_.parameter_values.find(blob);
  const bool is_known = known != net_.parameter_values.end() && !input.is_quantised && !input.is_turned;
  const std::string tensor = fresh(blob);
  add_tensor(tensor, {shape, dtype}, is_known ? &known->second : nullptr);
  name = tensor;
  if (!input.is_quantised) return name;
  name = fresh(blob + "_dequantized");
  add_node("DequantizeLinear",
           {tensor, constant({input.scale_value}, {}, DataType::kFloat), constant({0}, {}, dtype)}, {name});
  return name;
}

}  // namespace latgrad::net
