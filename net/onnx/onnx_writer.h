// Writes a Net as an ONNX graph, operator by operator.

#pragma once

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/onnx.h"
#include "latgrad/onnx.pb.h"
#include "node_writer.h"
#include "ops/writing_rows.h"

namespace latgrad::net {

class OnnxWriter {
 public:
  // `net` outlives the object.
  OnnxWriter(const Net& net, const OnnxOptions& options);

  // The object is used up. Errors: NetError for an operator that has no form in ONNX.
  void write(onnx::ModelProto& model) &&;

 private:
  friend class NodeWriter;

  // A blob of the network, as the graph has it.
  struct Value {
    std::string name;
    TensorInfo info;
    bool is_nhwc = false;    // the network has the channels last, the graph has them first
    std::string scale = {};  // of a quantised one
    std::string zero_point = {};
    float scale_value = 0;
    // Other forms, once something reads them.
    std::string as_float = {};
    std::string transposed = {};
    std::string transposed_float = {};
  };

  // How an operator reads a value.
  struct Form {
    bool is_image = false;  // with the channels first, whatever the network has
    bool is_float = false;
  };

  void write_operator();
  void write_layout_change(bool to_nhwc);
  void write_quantise();
  void write_dequantise();
  std::vector<NodeWriter::Input> read_inputs(bool is_int8, onnx_ops::Dimensions dimensions);
  bool reads_images(onnx_ops::Dimensions dimensions);
  // Names of a scale and a zero point: what the operator says, else those of its input.
  void set_quantisation(Value& value, const Value* input);

  // To the nodes of the operator at hand, from this one on.
  void add_notes(int first_node);

  const Operator& op() const { return *op_; }
  const OpShapes& shapes() const { return shapes_.ops[index_]; }
  Place place() const;

  // Null for a parameter. Errors: NetError for what ONNX's form of an earlier operator does not write.
  Value* find_value(const std::string& blob);
  std::string read(Value& value, Form form);
  static float parameter_scale(const std::vector<NodeWriter::Input>& inputs);
  std::string parameter(const std::string& blob, const NodeWriter::Input& input, const Shape& shape);
  std::string constant(const Values& values, const Shape& shape, DataType dtype);
  void add_tensor(const std::string& name, const TensorInfo& info, const Values* values);
  void add_weights(onnx::TensorProto& tensor, const TensorInfo& info);

  onnx::NodeProto& add_node(std::string_view type, std::vector<std::string> inputs,
                            std::vector<std::string> outputs);
  // A name that no value has, and no blob will have.
  std::string fresh(std::string_view name);
  void add_inputs();
  void add_outputs();

  const Net& net_;
  const OnnxOptions options_;
  const NetShapes shapes_;
  onnx::GraphProto* graph_ = nullptr;
  std::unordered_map<std::string_view, Value> values_;  // by blob, as of now
  std::unordered_set<std::string> names_;               // of values
  std::unordered_set<std::string> node_names_;
  std::unordered_set<std::string_view> blobs_;                  // that operators write
  std::unordered_set<std::string> written_;                     // by nodes, and inputs
  std::map<std::string, std::string, std::less<>> parameters_;  // by blob, shape, type and scale
  std::map<std::string, std::string, std::less<>> constants_;   // by type, shape and elements
  const Operator* op_ = nullptr;
  size_t index_ = 0;
  int64_t opset_;
  bool has_notes_ = false;
  std::mt19937_64 random_;
};

}  // namespace latgrad::net
