#include "onnx_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "latgrad/base/error.h"
#include "onnx_reader.h"
#include "onnx_types.h"

namespace latgrad::net {

OnnxNode::OnnxNode(OnnxReader& reader, const onnx::NodeProto& node, int64_t opset,
                   std::vector<OnnxBlob*> inputs, std::vector<OnnxBlob*> outputs)
    : reader_(reader), node_(node), opset_(opset), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name) {
  const auto& attributes = node.attribute();
  const auto it = std::ranges::find(attributes, name, &onnx::AttributeProto::name);
  return it == attributes.end() ? nullptr : &*it;
}

int64_t OnnxNode::integer(std::string_view name, int64_t otherwise) const {
  const onnx::AttributeProto* attribute = find(name);
  return attribute == nullptr ? otherwise : attribute->i();
}

float OnnxNode::number(std::string_view name, float otherwise) const {
  const onnx::AttributeProto* attribute = find(name);
  return attribute == nullptr ? otherwise : attribute->f();
}

std::string_view OnnxNode::text(std::string_view name, std::string_view otherwise) const {
  const onnx::AttributeProto* attribute = find(name);
  return attribute == nullptr ? otherwise : std::string_view(attribute->s());
}

std::vector<int64_t> OnnxNode::integers(std::string_view name) const {
  const onnx::AttributeProto* attribute = find(name);
  if (attribute == nullptr) return {};
  if (attribute->has_i()) return {attribute->i()};  // k of TopK
  return {attribute->ints().begin(), attribute->ints().end()};
}

const std::string& OnnxNode::input(size_t index) const {
  if (!has_input(index)) fail(fmt::format("{} must have at least {} inputs", type(), index + 1));
  return inputs_[index]->name;
}

const std::string& OnnxNode::output(size_t index) const {
  if (index >= outputs_.size()) fail(fmt::format("{} must have at least {} outputs", type(), index + 1));
  return outputs_[index]->name;
}

bool OnnxNode::is_constant(size_t index) const { return has_input(index) && inputs_[index]->is_constant; }

const TensorInfo& OnnxNode::info(size_t index) const {
  if (!has_input(index)) fail(fmt::format("{} must have at least {} inputs", type(), index + 1));
  const TensorInfo* info = inputs_[index]->info;
  if (info == nullptr) throw UnknownShape();
  return *info;
}

const Values* OnnxNode::values(size_t index) const {
  return has_input(index) ? inputs_[index]->values : nullptr;
}

std::vector<int64_t> OnnxNode::known_integers(size_t index) const {
  const Values* values = this->values(index);
  if (values == nullptr) throw UnknownShape();
  return to_integers(*values);
}

double OnnxNode::known_number(size_t index) const {
  const Values* values = this->values(index);
  if (values == nullptr) throw UnknownShape();
  if (values->size() != 1) fail(fmt::format("input {} must be one number, got {}", index, values->size()));
  return (*values)[0];
}

std::optional<std::vector<int64_t>> OnnxNode::integers_at(std::string_view name, size_t input) const {
  if (has(name)) return integers(name);
  if (has_input(input)) return known_integers(input);
  return std::nullopt;
}

std::optional<double> OnnxNode::number_at(std::string_view name, size_t input) const {
  if (has(name)) return number(name, 0);
  if (has_input(input)) return known_number(input);
  return std::nullopt;
}

int64_t OnnxNode::axis(int64_t value, size_t rank) const {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (value < -signed_rank || value >= signed_rank) {
    fail(fmt::format("an axis must be in [{}, {}), got {}", -signed_rank, signed_rank, value));
  }
  return value < 0 ? value + signed_rank : value;
}

Operator OnnxNode::make(std::string_view type, std::vector<std::string> inputs,
                        std::vector<std::string> outputs) const {
  Operator op;
  op.type = type;
  op.name = node_.name();
  op.inputs = std::move(inputs);
  op.outputs = std::move(outputs);
  for (const onnx::StringStringEntryProto& note : node_.metadata_props()) {
    std::string_view name = note.key();
    if (!name.starts_with(kOwnNote)) continue;
    name.remove_prefix(kOwnNote.size());
    int64_t value = 0;
    const std::string& text = note.value();
    if (name == kTypeNote && type == "Add" && text == "Sum") op.type = text;
    const bool is_number =
        std::from_chars(text.data(), text.data() + text.size(), value).ptr == text.data() + text.size();
    if (std::ranges::find(kNotedHints, name) != kNotedHints.end() && is_number && !text.empty()) {
      op.args.push_back(Argument::of_int(std::string(name), value));
    }
  }
  return op;
}

Operator OnnxNode::as(std::string_view type) const {
  for (size_t i = 0; i < inputs_.size(); ++i) input(i);  // must be there
  return as_it_stands(type);
}

Operator OnnxNode::as_it_stands(std::string_view type) const {
  std::vector<std::string> inputs;
  inputs.reserve(inputs_.size());
  for (const OnnxBlob* blob : inputs_) {
    if (blob != nullptr) inputs.push_back(blob->name);
  }
  std::vector<std::string> outputs;
  outputs.reserve(outputs_.size());
  for (const OnnxBlob* blob : outputs_) outputs.push_back(blob->name);
  return make(type, std::move(inputs), std::move(outputs));
}

Operator OnnxNode::as(std::string_view type, std::initializer_list<size_t> inputs) const {
  std::vector<std::string> blobs;
  for (const size_t index : inputs) blobs.push_back(input(index));
  return make(type, std::move(blobs), {output(0)});
}

void OnnxNode::emit(Operator op) { reader_.emit(std::move(op)); }

void OnnxNode::pass() {
  input(0);  // must be there
  if (inputs_[0]->info != nullptr) reader_.net_.constants[output(0)] = *inputs_[0]->info;
  outputs_[0] = inputs_[0];
}

void OnnxNode::emit_constant(TensorInfo info, std::optional<Values> values) {
  if (values && values->size() > kMaxValues) values.reset();
  reader_.net_.constants[output(0)] = info;
  reader_.set_constant(*outputs_[0], std::move(info), std::move(values));
}

std::string OnnxNode::temporary(std::string_view suffix) {
  return reader_.new_blob(fmt::format("{}/{}", output(0), suffix))->name;
}

std::string OnnxNode::reshaped_parameter(size_t index, Shape shape) {
  OnnxBlob* blob = reader_.new_blob(fmt::format("{}/reshaped", input(index)));
  // Where the number of elements is another one, none is known.
  const Values* values =
      num_elements(shape) == num_elements(info(index).shape) ? this->values(index) : nullptr;
  reader_.set_constant(*blob, {std::move(shape), info(index).dtype},
                       values == nullptr ? std::nullopt : std::optional(*values));
  return blob->name;
}

void OnnxNode::fail(const std::string& message) const { throw NetError(message, reader_.place()); }

Argument integers_argument(std::string name, std::vector<int64_t> values) {
  Argument arg;
  arg.name = std::move(name);
  arg.ints = std::move(values);
  return arg;
}

void add_integer(Operator& op, std::string name, int64_t value, int64_t otherwise) {
  if (value != otherwise) op.args.push_back(Argument::of_int(std::move(name), value));
}

void add_number(Operator& op, std::string name, float value, float otherwise) {
  if (value != otherwise) op.args.push_back(Argument::of_float(std::move(name), value));
}

}  // namespace latgrad::net
