#include "quantised.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "latgrad/net/arguments.h"
#include "latgrad/net/registry.h"
#include "onnx_types.h"
#include "remove_operators.h"

namespace latgrad::net {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);
constexpr size_t kImageRank = 4;

enum class Needs {
  kNothing,
  kImage,        // an input of four dimensions
  kWeights,      // the same, and quantised weights
  kLayer,        // quantised weights
  kMatrix,       // an input of two dimensions
  kEqualShapes,  // of all inputs
  kEqualRanks,
};

// What becomes of each type.
struct Fusion {
  std::string_view type;
  std::string_view quantised;
  Needs needs = Needs::kNothing;
};
constexpr Fusion kFusions[] = {
    {"Add", "Int8Add", Needs::kEqualShapes},
    {"AveragePool", "Int8AveragePool", Needs::kImage},
    {"Concat", "Int8Concat"},
    {"Conv", "Int8Conv", Needs::kWeights},
    {"ConvTranspose", "Int8ConvTranspose", Needs::kWeights},
    {"ExpandDims", "Int8Reshape"},
    {"FC", "Int8FC", Needs::kLayer},
    {"FCTransposed", "Int8FC", Needs::kLayer},
    {"Flatten", "Int8Flatten"},
    {"LeakyRelu", "Int8LeakyRelu"},
    {"MatMul", "Int8FC", Needs::kLayer},
    {"MaxPool", "Int8MaxPool", Needs::kImage},
    {"Mul", "Int8Mul", Needs::kEqualRanks},
    {"Relu", "Int8Relu"},
    {"Reshape", "Int8Reshape"},
    {"ResizeNearest", "Int8ResizeNearest", Needs::kImage},
    {"Sigmoid", "Int8Sigmoid"},
    {"Slice", "Int8Slice"},
    {"Softmax", "Int8Softmax", Needs::kMatrix},
    {"Split", "Split"},
    {"Squeeze", "Int8Reshape"},
    {"Sum", "Int8Sum", Needs::kEqualShapes},
    {"Tanh", "Int8Tanh"},
    {"Transpose", "Int8Transpose"},
};

const Fusion* find_fusion(std::string_view type) {
  const auto* it = std::ranges::find(kFusions, type, &Fusion::type);
  return it == std::end(kFusions) ? nullptr : it;
}

bool is_quantisation(const Operator& op) { return op.type == "Int8Quantize" || op.type == "Int8Dequantize"; }

class Fuser {
 public:
  Fuser(Net& net, std::vector<OpShapes>& shapes, const std::deque<Operator>& folded)
      : net_(net), shapes_(shapes), is_removed_(net.ops.size()) {
    for (const Operator& op : folded) {
      if (op.type == "Int8Dequantize") quantised_constants_.emplace(op.outputs[0], op.inputs[0]);
    }
    for (size_t i = 0; i < net.ops.size(); ++i) {
      for (const std::string& output : net.ops[i].outputs) writers_[output] = i;
      for (const std::string& input : net.ops[i].inputs) readers_[input].push_back(i);
    }
    outputs_.insert(net.external_outputs.begin(), net.external_outputs.end());
  }

  void run() && {
    std::unordered_set<std::string> parameters;
    for (const auto& [blob, readers] : readers_) {
      if (net_.parameters.contains(blob) && !outputs_.contains(blob)) parameters.insert(blob);
    }
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      if (!is_removed_[i] && shapes_[i].known && !is_quantisation(net_.ops[i])) fuse(i);
    }
    remove_operators(net_, shapes_, is_removed_);
    for (const Operator& op : net_.ops) {
      for (const std::string& input : op.inputs) parameters.erase(input);
    }
    for (const std::string& unread : parameters) {
      net_.parameters.erase(unread);
      net_.parameter_values.erase(unread);
    }
  }

 private:
  // What an operator's results become.
  struct Result {
    std::vector<size_t> quantisers;  // one for each output
    size_t activation = kNone;       // a ReLU or Clip before the first
    bool is_rectified = false;
  };

  size_t writer_of(const std::string& blob) const {
    const auto it = writers_.find(blob);
    return it == writers_.end() ? kNone : it->second;
  }
  // A name that no other blob has, the same whenever it is asked for.
  std::string own_name(const std::string& blob, std::string_view suffix) {
    std::string& name = own_names_[blob + std::string(suffix)];
    if (!name.empty()) return name;
    name = blob + std::string(suffix);
    while (is_constant(name) || writers_.contains(name) || net_.inputs.contains(name)) name += "_";
    return name;
  }
  bool is_constant(const std::string& blob) const {
    return net_.parameters.contains(blob) || net_.constants.contains(blob);
  }

  // The only operator that reads the blob, which is no output of the network.
  size_t only_reader(const std::string& blob) const {
    const auto it = readers_.find(blob);
    if (it == readers_.end() || it->second.size() != 1 || outputs_.contains(blob)) return kNone;
    return it->second[0];
  }

  // The quantised form of an input, or nothing.
  std::optional<std::string> quantised(size_t op, size_t input) const {
    const std::string& blob = net_.ops[op].inputs[input];
    if (has_8_bits(shapes_[op].inputs[input].dtype) && !is_constant(blob)) return blob;
    const size_t writer = writer_of(blob);
    if (writer == kNone || net_.ops[writer].type != "Int8Dequantize") return std::nullopt;
    return net_.ops[writer].inputs[0];
  }

  // Whether a layer's weight is [in, out], which Int8FC has the other way round.
  bool has_transposed_weight(size_t op) const {
    const Operator& layer = net_.ops[op];
    return layer.type == "FCTransposed" ||
           (layer.type == "MatMul" && !Arguments(layer.type, layer.args).flag("trans_b"));
  }

  // Weights and bias of a convolution or layer as the quantised operator reads them, or nothing. Int8FC
  // always has a bias.
  std::optional<std::vector<std::string>> parameters(size_t op) {
    const Operator& old = net_.ops[op];
    const auto weight = quantised_constants_.find(old.inputs[1]);
    if (weight == quantised_constants_.end() || Arguments(old.type, old.args).flag("trans_a")) {
      return std::nullopt;
    }
    TensorInfo info{shapes_[op].inputs[1].shape, DataType::kUint8};
    std::vector<std::string> names = {weight->second};
    if (has_transposed_weight(op)) {
      std::swap(info.shape[0], info.shape[1]);
      names[0] = own_name(names[0], "_transposed");
    }
    if (old.inputs.size() > 2) {
      if (!is_constant(old.inputs[2])) return std::nullopt;
      const auto bias = quantised_constants_.find(old.inputs[2]);
      names.push_back(bias == quantised_constants_.end() ? own_name(old.inputs[2], "_int32") : bias->second);
      net_.parameters[names[1]] = {shapes_[op].inputs[2].shape, DataType::kInt32};
    } else if (old.type == "MatMul") {
      names.push_back(own_name(names[0], "_bias"));
      net_.parameters[names[1]] = {{info.shape[0]}, DataType::kInt32};
    }
    net_.parameters[names[0]] = std::move(info);
    return names;
  }

  bool fits(size_t op, Needs needs) const {
    const std::vector<TensorInfo>& inputs = shapes_[op].inputs;
    const Shape& first = inputs[0].shape;
    switch (needs) {
      case Needs::kImage:
      case Needs::kWeights:
        return first.size() == kImageRank;
      case Needs::kMatrix:
        return first.size() == 2;
      case Needs::kLayer:
        return inputs[1].shape.size() == 2;
      case Needs::kEqualShapes:
        return std::ranges::all_of(inputs, [&](const TensorInfo& input) { return input.shape == first; });
      case Needs::kEqualRanks:
        return std::ranges::all_of(
            inputs, [&](const TensorInfo& input) { return input.shape.size() == first.size(); });
      case Needs::kNothing:
        break;
    }
    return true;
  }

  // Whether a quantised tensor cannot hold more than the operator lets through.
  bool is_within(const Operator& activation, const Operator& quantiser) const {
    const Arguments args(quantiser.type, quantiser.args);
    if (!args.has("Y_scale") || !args.has("Y_zero_point")) return false;
    constexpr double kMost = 255;
    const double scale = args.number("Y_scale", 0);
    const auto zero_point = static_cast<double>(args.integer("Y_zero_point", 0));
    const Arguments bounds(activation.type, activation.args);
    const bool is_relu = activation.type == "Relu";
    const double least = is_relu ? 0 : bounds.number("min", std::numeric_limits<float>::lowest());
    const double greatest = is_relu ? kMost * scale : bounds.number("max", std::numeric_limits<float>::max());
    // Half a step is rounded away.
    return -zero_point * scale >= least - scale / 2 && (kMost - zero_point) * scale <= greatest + scale / 2;
  }

  bool is_quantiser(size_t op) const { return op != kNone && net_.ops[op].type == "Int8Quantize"; }

  std::optional<Result> find_result(size_t op) const {
    Result result;
    for (const std::string& output : net_.ops[op].outputs) {
      size_t reader = only_reader(output);
      const bool is_activation =
          reader != kNone && (net_.ops[reader].type == "Relu" || net_.ops[reader].type == "Clip");
      if (is_activation && net_.ops[op].outputs.size() == 1) {
        result.activation = reader;
        reader = only_reader(net_.ops[reader].outputs[0]);
      }
      if (!is_quantiser(reader)) return std::nullopt;
      result.quantisers.push_back(reader);
    }
    if (result.activation == kNone) return result;
    const Operator& activation = net_.ops[result.activation];
    const bool is_within = this->is_within(activation, net_.ops[result.quantisers[0]]);
    result.is_rectified = activation.type == "Relu";
    if (activation.type == "Clip") {
      result.is_rectified = is_within && Arguments(activation.type, activation.args).number("min", -1) == 0;
    }
    // A Clip that takes more away than the quantisation, or a ReLU that no operator has, stays by itself.
    const bool has_operator =
        result.is_rectified && !rectified_type(find_fusion(net_.ops[op].type)->quantised).empty();
    return is_within || has_operator ? std::optional(result) : std::nullopt;
  }

  // The type with a ReLU, or nothing.
  static std::string rectified_type(std::string_view type) {
    std::string rectified = std::string(type) + "Relu";
    return find_operator_type(rectified) == nullptr ? "" : rectified;
  }

  void fuse(size_t op) {
    const Fusion* fusion = find_fusion(net_.ops[op].type);
    if (fusion == nullptr || !fits(op, fusion->needs)) return;
    const bool is_direct = has_8_bits(shapes_[op].inputs[0].dtype);
    const bool has_parameters = fusion->needs == Needs::kWeights || fusion->needs == Needs::kLayer;
    std::vector<std::string> inputs;
    for (size_t i = 0; i < (has_parameters ? 1 : net_.ops[op].inputs.size()); ++i) {
      const auto input = quantised(op, i);
      if (!input) return;
      inputs.push_back(*input);
    }
    Result result;
    if (!is_direct) {
      const auto found = find_result(op);
      if (!found) return move_dequantisation(op, *fusion);
      result = *found;
    }
    if (has_parameters) {
      const auto names = parameters(op);
      if (!names) return;
      inputs.insert(inputs.end(), names->begin(), names->end());
    }
    replace(op, *fusion, std::move(inputs), result);
  }

  // An operator that only moves elements may as well do so before they become floats, where what reads them
  // would take them quantised: Flatten before FC.
  void move_dequantisation(size_t op, const Fusion& fusion) {
    const OperatorType* row = find_operator_type(fusion.type);
    const std::string real = net_.ops[op].inputs[0];
    if (row == nullptr || !row->moves || net_.ops[op].outputs.size() != 1 || only_reader(real) != op) return;
    const std::string& output = net_.ops[op].outputs[0];
    const auto readers = readers_.find(output);
    const auto takes_quantised = [&](size_t reader) { return find_fusion(net_.ops[reader].type) != nullptr; };
    const bool is_worth_it = readers != readers_.end() && !outputs_.contains(output) &&
                             std::ranges::all_of(readers->second, takes_quantised);
    if (!is_worth_it) return;
    // The two exchange their places.
    const size_t before = writer_of(real);
    std::swap(net_.ops[before], net_.ops[op]);
    std::swap(shapes_[before], shapes_[op]);
    Operator& moved = net_.ops[before];
    Operator& dequantised = net_.ops[op];
    net_.constants[real] = shapes_[op].outputs[0];
    const std::string quantised = dequantised.inputs[0];
    std::erase(readers_[quantised], before);
    readers_.erase(real);
    const std::string between = own_name(moved.outputs[0], "_quantised");
    dequantised.outputs = moved.outputs;
    dequantised.inputs = {between};
    moved.outputs = {between};
    moved.inputs = {real};
    shapes_[op].inputs[0].shape = shapes_[before].outputs[0].shape;
    shapes_[op].outputs[0].shape = shapes_[before].outputs[0].shape;
    readers_[between] = {op};
    writers_[between] = before;
    writers_[dequantised.outputs[0]] = op;
    replace(before, fusion, {quantised}, {});
  }

  void replace(size_t op, const Fusion& fusion, std::vector<std::string> inputs, const Result& result) {
    Operator& changed = net_.ops[op];
    OpShapes& shapes = shapes_[op];
    for (const std::string& input : changed.inputs) stop_reading(op, input);
    for (const std::string& input : inputs) readers_[input].push_back(op);
    changed.inputs = std::move(inputs);
    changed.type = fusion.quantised;
    // Of convolutions and layers the types are those of their parameters.
    for (size_t i = 0; i < shapes.inputs.size(); ++i) shapes.inputs[i].dtype = DataType::kUint8;
    if (fusion.type == "MatMul") changed.args.clear();
    if (fusion.type == "Squeeze" || fusion.type == "ExpandDims") {
      Argument shape;
      shape.name = "shape";
      shape.ints = shapes.outputs[0].shape;
      changed.args = {std::move(shape)};
    }
    if (result.is_rectified) {
      if (std::string rectified = rectified_type(fusion.quantised); !rectified.empty()) {
        changed.type = std::move(rectified);
      }
    }
    if (result.activation != kNone) remove(result.activation);
    for (size_t i = 0; i < result.quantisers.size(); ++i) {
      const Operator& quantiser = net_.ops[result.quantisers[i]];
      net_.constants[changed.outputs[i]] = shapes.outputs[i];
      if (i == 0) changed.args.insert(changed.args.end(), quantiser.args.begin(), quantiser.args.end());
      changed.outputs[i] = quantiser.outputs[0];
      writers_[changed.outputs[i]] = op;
      is_removed_[result.quantisers[i]] = true;
    }
    for (TensorInfo& output : shapes.outputs) output.dtype = DataType::kUint8;
  }

  // An operator between this one and its quantisation.
  void remove(size_t op) {
    is_removed_[op] = true;
    net_.constants[net_.ops[op].outputs[0]] = shapes_[op].outputs[0];
  }

  // A float form that nobody reads any more need not be made.
  void stop_reading(size_t op, const std::string& blob) {
    const auto it = readers_.find(blob);
    if (it == readers_.end()) return;
    std::erase(it->second, op);
    const size_t writer = writer_of(blob);
    if (!it->second.empty() || outputs_.contains(blob) || writer == kNone) return;
    if (net_.ops[writer].type != "Int8Dequantize") return;
    remove(writer);
    stop_reading(writer, net_.ops[writer].inputs[0]);
  }

  Net& net_;
  std::vector<OpShapes>& shapes_;
  std::vector<bool> is_removed_;
  std::unordered_map<std::string, size_t> writers_;
  std::unordered_map<std::string, std::vector<size_t>> readers_;
  std::unordered_set<std::string> outputs_;
  std::unordered_map<std::string, std::string> quantised_constants_;  // by their float form
  std::unordered_map<std::string, std::string> own_names_;
};

}  // namespace

bool fuse_quantised(Net& net, std::vector<OpShapes>& shapes, const std::deque<Operator>& folded) {
  if (std::ranges::none_of(net.ops, is_quantisation)) return false;
  Fuser(net, shapes, folded).run();
  return true;
}

}  // namespace latgrad::net
