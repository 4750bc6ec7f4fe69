// Lowers an ONNX graph to a Net, node by node, with the shapes and known values of all that came before.

#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "inference.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/onnx.pb.h"
#include "onnx_node.h"

namespace latgrad::net {

class OnnxReader {
 public:
  // `model` and `source` outlive the object.
  OnnxReader(const onnx::ModelProto& model, const std::string& source);

  // The object is used up.
  Net read(const std::vector<InputShape>& inputs) &&;

 private:
  friend class OnnxNode;

  // The names of a graph or function body, and what they stand for.
  struct Scope {
    const Scope* outer = nullptr;                               // whose names are seen, too: of a branch
    std::string prefix = {};                                    // of the blobs written in it
    std::unordered_map<std::string, std::string> results = {};  // blobs that have a name outside
    std::unordered_map<std::string, std::string> blobs = {};
    std::unordered_map<std::string, int64_t> opsets = {};  // by domain
  };

  void read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
                   Scope& scope) const;
  void add_initializers(const onnx::GraphProto& graph, Scope& scope);
  void add_inputs(const onnx::GraphProto& graph, const std::vector<InputShape>& given);
  void add_outputs(const onnx::GraphProto& graph, const Scope& scope);
  void lower_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope);
  void lower_node(const onnx::NodeProto& node, Scope& scope);
  bool inline_function(const onnx::NodeProto& node, Scope& scope);
  bool inline_branch(const onnx::NodeProto& node, Scope& scope);
  void emit_unlowered(OnnxNode& node);

  std::string resolve(const std::string& name, const Scope& scope) const;
  std::string declare(const std::string& name, Scope& scope);
  std::string unused_blob(std::string name);

  bool is_constant(const std::string& blob) const { return net_.parameters.contains(blob); }
  const TensorInfo* find_info(const std::string& blob) const;
  const Values* find_values(const std::string& blob) const;
  void emit(Operator op);
  void fold(const Operator& op, OpShapes shapes);
  void add_constant(const std::string& blob, TensorInfo info, const Values* values);
  void drop_unread_constants();
  Place place() const;

  const onnx::ModelProto& model_;
  std::unordered_map<std::string, const onnx::FunctionProto*> functions_;  // by domain and name
  Net net_;
  Inference inference_;
  std::deque<Operator> ops_;     // whose addresses stay
  std::deque<Operator> folded_;  // likewise
  std::unordered_set<std::string> blobs_;
  std::unordered_set<std::string> read_;  // by a node: parameters that fold away are not left over
  const onnx::NodeProto* node_ = nullptr;
  int64_t node_index_ = -1;
  size_t num_nodes_ = 0;  // lowered so far, function bodies included
  int depth_ = 0;
};

}  // namespace latgrad::net
