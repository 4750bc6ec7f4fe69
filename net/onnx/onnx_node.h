// What the rule of an ONNX operator sees: the node's attributes and inputs, and how to say the same in
// latgrad's vocabulary.
//
//   void lower_flatten(OnnxNode& node) {
//     Operator op = node.as("Flatten");
//     add_integer(op, "axis", node.integer("axis", 1), 1);
//     node.emit(std::move(op));
//   }
//
// Attributes have ONNX's names; values that an attribute of an old opset holds and an input of a new one are
// read by one call: node.integers_at("axes", 1).

#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/net.h"
#include "latgrad/onnx.pb.h"

namespace latgrad::net {

class OnnxReader;
struct OnnxBlob;

// Null where the node has none of that name.
const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name);

class OnnxNode {
 public:
  // `node` has the names of its graph; `inputs` are the blobs of the network, null where left out.
  OnnxNode(OnnxReader& reader, const onnx::NodeProto& node, int64_t opset, std::vector<OnnxBlob*> inputs,
           std::vector<OnnxBlob*> outputs);

  const onnx::NodeProto& proto() const { return node_; }
  std::string_view type() const { return node_.op_type(); }
  const std::string& name() const { return node_.name(); }
  int64_t opset() const { return opset_; }

  const onnx::AttributeProto* find(std::string_view name) const { return find_attribute(node_, name); }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  int64_t integer(std::string_view name, int64_t otherwise) const;
  float number(std::string_view name, float otherwise) const;
  std::string_view text(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> integers(std::string_view name) const;  // empty: none

  size_t num_inputs() const { return inputs_.size(); }
  bool has_input(size_t index) const { return index < inputs_.size() && inputs_[index] != nullptr; }
  const std::string& input(size_t index) const;
  // Known without running the network: an initializer, or computed from those.
  bool is_constant(size_t index) const;
  // Errors: UnknownShape.
  const TensorInfo& info(size_t index) const;
  const Shape& shape(size_t index) const { return info(index).shape; }
  // The elements of an input that are known without running, or null.
  const Values* values(size_t index) const;
  // The same as integers or as one number. Errors: UnknownShape where they are not known.
  std::vector<int64_t> known_integers(size_t index) const;
  double known_number(size_t index) const;
  // From the attribute, else from the input; nothing where neither is there.
  std::optional<std::vector<int64_t>> integers_at(std::string_view name, size_t input) const;
  std::optional<double> number_at(std::string_view name, size_t input) const;
  // An axis counted from the front. Errors: NetError.
  int64_t axis(int64_t value, size_t rank) const;

  size_t num_outputs() const { return outputs_.size(); }
  const std::string& output(size_t index) const;
  OnnxBlob* output_blob(size_t index) const { return outputs_[index]; }

  // An operator with all inputs and outputs of the node, or with its first output and the inputs at these
  // places.
  Operator as(std::string_view type) const;
  Operator as(std::string_view type, std::initializer_list<size_t> inputs) const;
  // The same for an operator that nobody knows: without the inputs that are left out.
  Operator as_it_stands(std::string_view type) const;
  Operator make(std::string_view type, std::vector<std::string> inputs,
                std::vector<std::string> outputs) const;
  // Appends the operator to the network; a constant takes its place where its inputs or its outputs are
  // known.
  void emit(Operator op);
  // The first output is the first input itself.
  void pass();
  // The output has these elements.
  void emit_constant(TensorInfo info, std::optional<Values> values);
  // A blob of its own, called after the first output.
  std::string temporary(std::string_view suffix);
  // A parameter of its own, with the elements of `input` in another shape.
  std::string reshaped_parameter(size_t input, Shape shape);

  // Errors: NetError naming the node.
  [[noreturn]] void fail(const std::string& message) const;

 private:
  OnnxReader& reader_;
  const onnx::NodeProto& node_;
  const int64_t opset_;
  std::vector<OnnxBlob*> inputs_;
  std::vector<OnnxBlob*> outputs_;
};

// A rule needs the shape or the values of an input, which only running the network would tell.
struct UnknownShape {};

// Arguments in Caffe2's form.
Argument integers_argument(std::string name, std::vector<int64_t> values);
void add_integer(Operator& op, std::string name, int64_t value, int64_t otherwise);
void add_number(Operator& op, std::string name, float value, float otherwise);

}  // namespace latgrad::net
