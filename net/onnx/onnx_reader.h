// Lowers an ONNX graph to a Net, node by node, with the shapes and known values of all that came before.

#pragma once

#include <deque>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "inference.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/net/onnx.h"
#include "latgrad/onnx.pb.h"
#include "onnx_node.h"

namespace latgrad::net {

// A blob of the network, while it is read.
struct OnnxBlob {
  std::string name;
  const TensorInfo* info = nullptr;  // once it is known
  const Values* values = nullptr;    // of a constant, where they are known
  bool is_constant = false;          // an initializer, or computed from those and from shapes
  bool is_read_by_node = false;      // initializers that no node reads are left over
  bool is_read_by_op = false;
};

class OnnxReader {
 public:
  // `model` and `source` outlive the object.
  OnnxReader(const onnx::ModelProto& model, const std::string& source);

  // The object is used up.
  NetAndShapes read(const std::vector<InputShape>& inputs, const OnnxTrace& trace) &&;

 private:
  friend class OnnxNode;

  using Blobs = std::pmr::unordered_map<std::string_view, OnnxBlob*>;

  // The names of a graph or function body, which outlive it, and what they stand for.
  struct Scope {
    const Scope* outer = nullptr;                                    // whose names are seen, too: of a branch
    std::string prefix = {};                                         // of the blobs written in it
    std::unordered_map<std::string_view, std::string> results = {};  // blobs that have a name outside
    Blobs blobs;
    int64_t opset = 0;  // of ONNX's own operators
  };

  void read_opset(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
                  Scope& scope) const;
  void add_initializers(const onnx::GraphProto& graph, Scope& scope);
  void add_inputs(const onnx::GraphProto& graph, const std::vector<InputShape>& given,
                  const std::vector<std::string>& data_inputs, Scope& scope);
  void add_outputs(const onnx::GraphProto& graph, const Scope& scope);
  void lower_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope);
  void lower_node(const onnx::NodeProto& node, Scope& scope);
  void inline_function(const onnx::FunctionProto& function, const onnx::NodeProto& node, Scope& scope);
  void inline_branch(const onnx::NodeProto& node, Scope& scope);
  void emit_unlowered(OnnxNode& node);
  void check_inputs(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, int at,
                    const Scope& scope);

  std::string inner_prefix(const Scope& scope, const std::string& name);
  // `where` is what the value is an output of, for errors.
  void bind(const std::string& name, OnnxBlob* blob, std::string_view where, Scope& scope);
  OnnxBlob* resolve(std::string_view name, const Scope& scope) const;  // null for what nothing writes
  OnnxBlob* declare(std::string_view name, Scope& scope);
  OnnxBlob* new_blob(std::string name);
  OnnxBlob& blob(std::string_view name) { return *blobs_.at(name); }

  // Errors: NetError for a dimension or size out of range.
  void check_size(const OnnxBlob& blob, const Shape& shape) const;
  void emit(Operator op);
  void set_constant(OnnxBlob& blob, TensorInfo info, std::optional<Values> values);
  void add_parameters();
  Place place() const;

  std::pmr::monotonic_buffer_resource memory_;
  const onnx::ModelProto& model_;
  std::unordered_map<std::string, const onnx::FunctionProto*> functions_;  // by domain and name
  Net net_;
  Inference inference_;
  std::deque<Operator> ops_;      // whose addresses stay
  std::vector<OpShapes> shapes_;  // of ops_
  std::deque<Operator> folded_;   // likewise
  std::deque<OnnxBlob> all_blobs_;
  Blobs blobs_{&memory_};
  std::unordered_map<std::string, size_t> numbers_;  // of names that are taken: the last one given
  std::vector<OnnxBlob*> read_;                      // by the operator at hand; kept for its memory
  const onnx::NodeProto* node_ = nullptr;
  int64_t node_index_ = -1;
  std::unordered_set<std::string_view> graph_names_;
  size_t num_inlined_ = 0;
  size_t inlined_bytes_ = 0;  // of function bodies
  size_t num_nodes_ = 0;      // lowered so far, function bodies included
  int depth_ = 0;
};

}  // namespace latgrad::net
