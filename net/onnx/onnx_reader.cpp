#include "onnx_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "latgrad/base/error.h"
#include "onnx_types.h"
#include "ops/lowering_rows.h"
#include "patterns.h"
#include "quantised.h"
#include "tensor_values.h"

namespace latgrad::net {
namespace {

constexpr size_t kMaxOperators = 200'000;
constexpr int kMaxDepth = 64;
constexpr int kMaxAttributes = 1000;
constexpr size_t kMaxRank = 64;
// Calls of functions may multiply a small file.
constexpr size_t kMaxInlinedBytes = size_t{1} << 28;
constexpr int64_t kOldestOpset = 7;
constexpr int64_t kNewestOpset = 28;

// The default domain has two names.
std::string_view domain_of(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

std::string function_key(std::string_view domain, std::string_view name, std::string_view overload) {
  return fmt::format("{}:{}:{}", domain_of(domain), name, overload);
}

// Replaces the references to attributes of a function by what the calling node says, or the function's
// default. Adds to `bytes` what is copied, and stops beyond the limit.
void bind_attributes(onnx::NodeProto& node, const onnx::NodeProto& caller,
                     const onnx::FunctionProto& function, size_t& bytes) {
  auto& attributes = *node.mutable_attribute();
  for (int i = attributes.size() - 1; i >= 0; --i) {
    onnx::AttributeProto& attribute = attributes[i];
    const auto bind_graph = [&](onnx::GraphProto& graph) {
      for (onnx::NodeProto& inner : *graph.mutable_node()) bind_attributes(inner, caller, function, bytes);
    };
    if (attribute.has_g()) bind_graph(*attribute.mutable_g());
    for (onnx::GraphProto& graph : *attribute.mutable_graphs()) bind_graph(graph);
    if (!attribute.has_ref_attr_name()) continue;
    const onnx::AttributeProto* value = find_attribute(caller, attribute.ref_attr_name());
    if (value == nullptr) {
      const auto& defaults = function.attribute_proto();
      const auto it = std::ranges::find(defaults, attribute.ref_attr_name(), &onnx::AttributeProto::name);
      if (it != defaults.end()) value = &*it;
    }
    if (value == nullptr) {
      attributes.DeleteSubrange(i, 1);  // an attribute that is left out
      continue;
    }
    bytes += value->ByteSizeLong();
    if (bytes > kMaxInlinedBytes) return;  // the caller says so
    const std::string name = attribute.name();
    attribute = *value;
    attribute.set_name(name);
  }
}

Argument argument_of(const onnx::AttributeProto& attribute) {
  Argument arg;
  arg.name = attribute.name();
  if (attribute.has_f()) arg.f = attribute.f();
  if (attribute.has_i()) arg.i = attribute.i();
  if (attribute.has_s()) arg.s = attribute.s();
  arg.floats.assign(attribute.floats().begin(), attribute.floats().end());
  arg.ints.assign(attribute.ints().begin(), attribute.ints().end());
  arg.strings.assign(attribute.strings().begin(), attribute.strings().end());
  return arg;
}

}  // namespace

OnnxReader::OnnxReader(const onnx::ModelProto& model, const std::string& source)
    : model_(model), inference_(net_, {.allow_unknown = true, .allow_open_inputs = true}) {
  net_.source = source;
  net_.has_exact_parameters = true;
  for (const onnx::FunctionProto& function : model.functions()) {
    functions_.emplace(function_key(function.domain(), function.name(), function.overload()), &function);
  }
}

NetAndShapes OnnxReader::read(const std::vector<InputShape>& inputs, const OnnxTrace& trace) && {
  const onnx::GraphProto& graph = model_.graph();
  Scope scope{.blobs = Blobs(&memory_)};
  read_opset(model_.opset_import(), scope);
  net_.name = graph.name();
  const auto num_values = static_cast<size_t>(graph.node_size() + graph.initializer_size());
  blobs_.reserve(num_values);
  scope.blobs.reserve(num_values);
  if (!functions_.empty()) {
    // Values of the graph keep their names, whatever functions call theirs.
    for (const onnx::NodeProto& node : graph.node())
      graph_names_.insert(node.output().begin(), node.output().end());
  }
  add_initializers(graph, scope);
  add_inputs(graph, inputs, trace.data_inputs, scope);
  lower_nodes(graph.node(), scope);
  add_outputs(graph, scope);
  net_.ops.assign(std::move_iterator(ops_.begin()), std::move_iterator(ops_.end()));
  add_parameters();
  const bool is_quantised = fuse_quantised(net_, shapes_, folded_);
  merge_patterns(net_, shapes_, trace.merges_norms);
  if (is_quantised) shapes_ = lay_out_quantised(net_, shapes_);
  return {std::move(net_), {.ops = std::move(shapes_), .blobs = {}, .values = {}}};
}

Place OnnxReader::place() const {
  Place place{.file = net_.source};
  if (node_ == nullptr) return place;
  place.op_index = node_index_;
  place.op_type = node_->op_type();
  if (node_->output_size() > 0) place.blob = node_->output(0);
  return place;
}

void OnnxReader::read_opset(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
                            Scope& scope) const {
  for (const onnx::OperatorSetIdProto& import : imports) {
    if (!domain_of(import.domain()).empty()) continue;
    scope.opset = import.version();
    if (scope.opset < kOldestOpset || scope.opset > kNewestOpset) {
      throw NetError(
          fmt::format("the opset must be from {} to {}, got {}", kOldestOpset, kNewestOpset, scope.opset),
          place());
    }
  }
}

void OnnxReader::add_initializers(const onnx::GraphProto& graph, Scope& scope) {
  const auto add = [&](const onnx::TensorProto& tensor, const auto& dims, std::optional<Values> values) {
    try {
      set_constant(*declare(tensor.name(), scope),
                   {Shape(dims.begin(), dims.end()), data_type_of_onnx(tensor.data_type())},
                   std::move(values));
    } catch (const ValueError& error) {
      throw NetError(error.message(), {.file = net_.source, .blob = tensor.name()});
    }
  };
  for (const onnx::TensorProto& tensor : graph.initializer())
    add(tensor, tensor.dims(), tensor_values(tensor));
  for (const onnx::SparseTensorProto& sparse : graph.sparse_initializer()) {
    add(sparse.values(), sparse.dims(), std::nullopt);
  }
}

void OnnxReader::add_inputs(const onnx::GraphProto& graph, const std::vector<InputShape>& given,
                            const std::vector<std::string>& data_inputs, Scope& scope) {
  const std::unordered_set<std::string_view> data_names(data_inputs.begin(), data_inputs.end());
  for (const onnx::ValueInfoProto& input : graph.input()) {
    // Older files list their initializers as inputs, too.
    if (scope.blobs.contains(input.name())) continue;
    OnnxBlob& blob = *declare(input.name(), scope);
    const bool is_parameter = !data_names.empty() && !data_names.contains(input.name());
    if (!is_parameter) net_.external_inputs.push_back(input.name());
    const onnx::TypeProto::Tensor& type = input.type().tensor_type();
    TensorInfo info;
    bool is_static = type.has_shape();
    for (const auto& dim : type.shape().dim()) {
      is_static = is_static && dim.has_dim_value() && dim.dim_value() > 0;
      info.shape.push_back(dim.dim_value());
    }
    try {
      if (type.has_elem_type()) info.dtype = data_type_of_onnx(type.elem_type());
    } catch (const ValueError& error) {
      throw NetError(error.message(), {.file = net_.source, .blob = input.name()});
    }
    const auto it = std::ranges::find(given, input.name(), &InputShape::blob);
    if (it != given.end()) {
      info = {it->shape, it->dtype.value_or(info.dtype)};
    } else if (!is_static) {
      std::vector<std::string> dims;
      for (const auto& dim : type.shape().dim()) {
        dims.push_back(dim.dim_value() > 0       ? std::to_string(dim.dim_value())
                       : dim.dim_param().empty() ? "?"
                                                 : dim.dim_param());
      }
      throw NetError(
          fmt::format("the shape of every data input must be known, this one is [{}]: give it with "
                      "--input {}=1,3,224,224",
                      fmt::join(dims, ", "), input.name()),
          {.file = net_.source, .blob = input.name()});
    }
    if (is_parameter) {
      set_constant(blob, std::move(info), std::nullopt);
      continue;
    }
    check_size(blob, info.shape);
    blob.info = &(net_.inputs[input.name()] = std::move(info));
  }
  // Others may be what an operator of unknown type writes.
  for (const InputShape& input : given) {
    for (const onnx::NodeProto& node : graph.node()) {
      if (std::ranges::find(node.output(), input.blob) == node.output().end()) continue;
      net_.inputs[input.blob] = {input.shape, input.dtype.value_or(DataType::kFloat)};
    }
  }
}

void OnnxReader::add_outputs(const onnx::GraphProto& graph, const Scope& scope) {
  for (const onnx::ValueInfoProto& output : graph.output()) {
    OnnxBlob* blob = resolve(output.name(), scope);
    if (blob == nullptr) {
      throw NetError("an output of the graph must be written by a node, got one that nothing writes",
                     {.file = net_.source, .blob = output.name()});
    }
    blob->is_read_by_op = true;
    net_.external_outputs.push_back(blob->name);
  }
}

OnnxBlob* OnnxReader::resolve(std::string_view name, const Scope& scope) const {
  for (const Scope* at = &scope; at != nullptr; at = at->outer) {
    if (const auto it = at->blobs.find(name); it != at->blobs.end()) return it->second;
  }
  return nullptr;
}

OnnxBlob* OnnxReader::new_blob(std::string name) {
  if (blobs_.contains(name)) {
    // A function that is called again and again writes the same names: the last number is remembered.
    size_t& number = numbers_[name];
    std::string numbered;
    do {
      numbered = fmt::format("{}_{}", name, ++number + 1);
    } while (blobs_.contains(numbered));
    name = std::move(numbered);
  }
  OnnxBlob& blob = all_blobs_.emplace_back();
  blob.name = std::move(name);
  blobs_.emplace(blob.name, &blob);
  return &blob;
}

OnnxBlob* OnnxReader::declare(std::string_view name, Scope& scope) {
  const auto [it, is_new] = scope.blobs.try_emplace(name, nullptr);
  if (!is_new) {
    Place where = place();
    where.blob = name;
    throw NetError("a value must be written once, got one that two nodes write", std::move(where));
  }
  const auto result = scope.results.find(name);
  if (result != scope.results.end()) {
    it->second = new_blob(result->second);
  } else {
    std::string own = scope.prefix + std::string(name);
    while (!scope.prefix.empty() && graph_names_.contains(own)) own += "_inner";
    it->second = new_blob(std::move(own));
  }
  return it->second;
}

void OnnxReader::lower_nodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope) {
  if (++depth_ > kMaxDepth) {
    throw NetError(fmt::format("functions and branches may be nested {} deep", kMaxDepth), place());
  }
  const onnx::NodeProto* const outer_node = node_;
  const int64_t outer_index = node_index_;
  for (int i = 0; i < nodes.size(); ++i) {
    // Inside functions and branches the node of the graph stands for the place.
    if (outer_node == nullptr) {
      node_ = &nodes[i];
      node_index_ = i;
    }
    if (++num_nodes_ > kMaxOperators) {
      throw NetError(fmt::format("a network must have at most {} operators", kMaxOperators),
                     {.file = net_.source});
    }
    check_inputs(nodes, i, scope);
    lower_node(nodes[i], scope);
  }
  node_ = outer_node;
  node_index_ = outer_index;
  --depth_;
}

void OnnxReader::check_inputs(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, int at,
                              const Scope& scope) {
  for (const std::string& input : nodes[at].input()) {
    if (input.empty()) continue;
    if (OnnxBlob* blob = resolve(input, scope); blob != nullptr) {
      blob->is_read_by_node = true;
      continue;
    }
    const auto writes = [&](const onnx::NodeProto& node) {
      return std::ranges::find(node.output(), input) != node.output().end();
    };
    Place where = place();
    where.blob = input;
    throw NetError(
        std::any_of(nodes.begin() + at, nodes.end(), writes)
            ? "a value must be written before it is read, got one that only a later node writes: the "
              "network is cyclic or out of order"
            : "a value must be an input of the graph, an initializer, or written by a node, got one "
              "that nothing writes",
        std::move(where));
  }
}

void OnnxReader::lower_node(const onnx::NodeProto& node, Scope& scope) {
  const std::string_view domain = domain_of(node.domain());
  if (node.attribute_size() > kMaxAttributes) {
    throw NetError(
        fmt::format("a node must have at most {} attributes, got {}", kMaxAttributes, node.attribute_size()),
        place());
  }
  if (!functions_.empty()) {
    const auto it = functions_.find(function_key(domain, node.op_type(), node.overload()));
    if (it != functions_.end()) return inline_function(*it->second, node, scope);
  }
  if (domain.empty() && node.op_type() == "If") return inline_branch(node, scope);
  if (scope.opset == 0 && domain.empty()) {
    throw NetError("a model must name the opset of its operators, this one has none", place());
  }
  std::vector<OnnxBlob*> inputs;
  for (const std::string& input : node.input())
    inputs.push_back(input.empty() ? nullptr : resolve(input, scope));
  while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
  // An output that is left out in the middle still has its place.
  int num_outputs = node.output_size();
  // The lengths of a split depend on how many there are.
  while (node.op_type() != "Split" && num_outputs > 1 && node.output(num_outputs - 1).empty()) --num_outputs;
  std::vector<OnnxBlob*> outputs;
  for (int i = 0; i < num_outputs; ++i) {
    const std::string& output = node.output(i);
    outputs.push_back(output.empty() ? new_blob(fmt::format("{}/unused", node.name()))
                                     : declare(output, scope));
  }
  if (outputs.empty()) throw NetError("a node must have an output, got none", place());
  OnnxNode view(*this, node, scope.opset, std::move(inputs), std::move(outputs));
  const onnx_ops::LoweringRow* row =
      domain.empty() ? onnx_ops::find_lowering_row(node.op_type())
                     : onnx_ops::find_lowering_row(fmt::format("{}.{}", domain, node.op_type()));
  try {
    if (row == nullptr) return emit_unlowered(view);
    row->lower(view, row->target);
  } catch (const UnknownShape&) {
    emit_unlowered(view);
  } catch (const ValueError& error) {
    throw NetError(error.message(), place());
  } catch (const NetError& error) {
    Place where = place();
    where.field = error.place().field;
    throw NetError(error.message(), std::move(where));
  }
  // A rule may find that the output is another blob.
  for (int i = 0; i < num_outputs; ++i) {
    if (!node.output(i).empty()) scope.blobs[node.output(i)] = view.output_blob(static_cast<size_t>(i));
  }
}

// As it stands in the file: a type that nobody knows, or an operator behind one. Where the inputs do not fit
// the operator of that name, it gets the name of its domain, too.
void OnnxReader::emit_unlowered(OnnxNode& node) {
  const onnx::NodeProto& proto = node.proto();
  const std::string_view domain = domain_of(proto.domain());
  Operator op =
      node.as_it_stands(domain.empty() ? proto.op_type() : fmt::format("{}.{}", domain, proto.op_type()));
  const OperatorType* row = find_operator_type(op.type);
  const auto fits = [](size_t actual, const Count& count) {
    return actual >= count.least && actual <= count.most;
  };
  if (row != nullptr && !(fits(op.inputs.size(), row->inputs) && fits(op.outputs.size(), row->outputs))) {
    op.type = "ai.onnx." + op.type;
  }
  for (const onnx::AttributeProto& attribute : proto.attribute()) op.args.push_back(argument_of(attribute));
  emit(std::move(op));
}

std::string OnnxReader::inner_prefix(const Scope& scope, const std::string& name) {
  // Names that get long with every call would multiply a small file.
  constexpr size_t kMaxPrefix = 200;
  ++num_inlined_;
  if (scope.prefix.size() + name.size() < kMaxPrefix) return scope.prefix + name + "/";
  return fmt::format("inlined_{}/", num_inlined_);
}

void OnnxReader::bind(const std::string& name, OnnxBlob* blob, std::string_view where, Scope& scope) {
  if (name.empty()) return;
  if (blob == nullptr) {
    throw NetError(fmt::format("an output of a {} must be written in it, got one that nothing writes", where),
                   place());
  }
  if (!scope.blobs.emplace(name, blob).second) {
    throw NetError("a value must be written once, got one that two nodes write", place());
  }
}

void OnnxReader::inline_function(const onnx::FunctionProto& function, const onnx::NodeProto& node,
                                 Scope& scope) {
  Scope body{.prefix = inner_prefix(scope, node.name().empty() ? function.name() : node.name()),
             .blobs = Blobs(&memory_),
             .opset = scope.opset};
  read_opset(function.opset_import(), body);
  const auto add_bytes = [&](size_t bytes) {
    inlined_bytes_ += bytes;
    if (inlined_bytes_ <= kMaxInlinedBytes) return;
    throw NetError(
        fmt::format("the functions of a model must stay below {} bytes once inlined", kMaxInlinedBytes),
        place());
  };
  add_bytes(function.ByteSizeLong());
  for (int i = 0; i < function.input_size() && i < node.input_size(); ++i) {
    if (!node.input(i).empty()) body.blobs.emplace(function.input(i), resolve(node.input(i), scope));
  }
  for (int i = 0; i < function.output_size() && i < node.output_size(); ++i) {
    if (!node.output(i).empty()) body.results.emplace(function.output(i), scope.prefix + node.output(i));
  }
  // Inputs that the call leaves out are left out of the body, too.
  std::unordered_set<std::string_view> left_out(function.input().begin(), function.input().end());
  for (const auto& [name, blob] : body.blobs) left_out.erase(name);
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes = function.node();
  for (onnx::NodeProto& inner : nodes) {
    size_t bound_bytes = 0;
    bind_attributes(inner, node, function, bound_bytes);
    add_bytes(bound_bytes);
    for (std::string& input : *inner.mutable_input()) {
      if (left_out.contains(input)) input.clear();
    }
  }
  lower_nodes(nodes, body);
  for (int i = 0; i < function.output_size() && i < node.output_size(); ++i) {
    bind(node.output(i), resolve(function.output(i), body), "function", scope);
  }
}

void OnnxReader::inline_branch(const onnx::NodeProto& node, Scope& scope) {
  const OnnxBlob* condition =
      node.input_size() == 1 && !node.input(0).empty() ? resolve(node.input(0), scope) : nullptr;
  const Values* values = condition == nullptr ? nullptr : condition->values;
  const bool is_known = values != nullptr && values->size() == 1;
  const onnx::AttributeProto* branch =
      find_attribute(node, is_known && (*values)[0] != 0 ? "then_branch" : "else_branch");
  if (!is_known || branch == nullptr || !branch->has_g()) {
    throw NetError("the condition of an If must be known without running the network", place());
  }
  const onnx::GraphProto& graph = branch->g();
  Scope body{.outer = &scope,
             .prefix = node.name().empty() ? scope.prefix : inner_prefix(scope, node.name()),
             .blobs = Blobs(&memory_),
             .opset = scope.opset};
  for (int i = 0; i < graph.output_size() && i < node.output_size(); ++i) {
    if (!node.output(i).empty()) body.results.emplace(graph.output(i).name(), scope.prefix + node.output(i));
  }
  add_initializers(graph, body);
  lower_nodes(graph.node(), body);
  for (int i = 0; i < graph.output_size() && i < node.output_size(); ++i) {
    bind(node.output(i), resolve(graph.output(i).name(), body), "branch", scope);
  }
}

void OnnxReader::emit(Operator op) {
  if (ops_.size() >= kMaxOperators) {
    throw NetError(fmt::format("a network must have at most {} operators", kMaxOperators),
                   {.file = net_.source});
  }
  const OperatorType* type = find_operator_type(op.type);
  // What multiplies is an operator, be it of constants: its multiply-accumulates and weights are the
  // network's.
  bool is_constant = type != nullptr && !type->multiplies;
  read_.clear();
  for (const std::string& input : op.inputs) {
    read_.push_back(&blob(input));
    is_constant = is_constant && read_.back()->is_constant;
  }
  ops_.push_back(std::move(op));
  const Operator& added = ops_.back();
  OpShapes shapes = inference_.step(added, ops_.size() - 1);
  const auto has_values = [&](const std::string& name) { return inference_.values_of(name) != nullptr; };
  is_constant = is_constant || std::ranges::all_of(added.outputs, has_values);
  if (!shapes.known || !is_constant) {
    for (OnnxBlob* input : read_) input->is_read_by_op = true;
    for (const std::string& output : added.outputs) blob(output).info = inference_.info_of(output);
    shapes_.push_back(std::move(shapes));
    return;
  }
  for (size_t i = 0; i < added.outputs.size(); ++i) {
    const Values* values = inference_.values_of(added.outputs[i]);
    OnnxBlob& output = blob(added.outputs[i]);
    net_.constants[output.name] = shapes.outputs[i];
    set_constant(output, std::move(shapes.outputs[i]),
                 values == nullptr ? std::nullopt : std::optional(*values));
  }
  folded_.push_back(std::move(ops_.back()));
  ops_.pop_back();
}

// Rules compute with sizes, so each must be in range before it is read.
void OnnxReader::check_size(const OnnxBlob& blob, const Shape& shape) const {
  Place where = place();
  where.blob = blob.name;
  if (shape.size() > kMaxRank) {
    throw NetError(fmt::format("a tensor must have at most {} dimensions, got {}", kMaxRank, shape.size()),
                   std::move(where));
  }
  for (const int64_t dim : shape) {
    if (dim < 0 || dim > kMaxDim) {
      throw NetError(fmt::format("a dimension must be from 0 to 2^31 - 1, got {}", to_string(shape)),
                     std::move(where));
    }
  }
  try {
    num_elements(shape);
  } catch (const ValueError& error) {
    throw NetError(error.message(), std::move(where));
  }
}

void OnnxReader::set_constant(OnnxBlob& blob, TensorInfo info, std::optional<Values> values) {
  check_size(blob, info.shape);
  const Inference::Told told = inference_.tell(blob.name, std::move(info), std::move(values));
  blob.is_constant = true;
  blob.info = told.info;
  blob.values = told.values;
}

// What went into other constants and arguments alone is no parameter of the network.
void OnnxReader::add_parameters() {
  for (const OnnxBlob& blob : all_blobs_) {
    const bool is_left_over = !blob.is_read_by_node && !net_.constants.contains(blob.name);
    if (!blob.is_constant || !(blob.is_read_by_op || is_left_over)) continue;
    net_.parameters.emplace(blob.name, *blob.info);
    if (blob.values != nullptr) net_.parameter_values.emplace(blob.name, *blob.values);
  }
}

}  // namespace latgrad::net
