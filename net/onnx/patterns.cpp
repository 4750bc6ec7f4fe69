#include "patterns.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "latgrad/net/arguments.h"
#include "latgrad/net/registry.h"
#include "remove_operators.h"

namespace latgrad::net {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

constexpr std::string_view kInt8 = "Int8";

// Without the mark of a quantised operator.
std::string_view plain_type(std::string_view type) {
  if (type.starts_with(kInt8)) type.remove_prefix(kInt8.size());
  return type;
}

bool is_layer(const Operator& op) {
  const std::string_view type = plain_type(op.type);
  return type == "FC" || type == "FCRelu" || type == "FCTransposed";
}

bool may_begin(const Operator& op) { return plain_type(op.type) == "Transpose" || is_layer(op); }

class Merger {
 public:
  Merger(Net& net, std::vector<OpShapes>& shapes) : net_(net), shapes_(shapes), is_removed_(net.ops.size()) {
    for (size_t i = 0; i < net.ops.size(); ++i) {
      for (const std::string& output : net.ops[i].outputs) writers_[output] = i;
      for (const std::string& input : net.ops[i].inputs) ++num_readers_[input];
    }
    for (const std::string& output : net.external_outputs) ++num_readers_[output];
  }

  void run(bool merges_norms) && {
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      if (is_layer(net_.ops[i])) flatten_in_layer(i);
      if (plain_type(net_.ops[i].type) == "Reshape") merge_shuffle(i);
      if (merges_norms && net_.ops[i].type == "SpatialBN") merge_norm(i);
    }
    remove_operators(net_, shapes_, is_removed_);
  }

 private:
  size_t writer_of(const std::string& blob) const {
    const auto it = writers_.find(blob);
    return it == writers_.end() || !shapes_[it->second].known ? kNone : it->second;
  }

  const Shape& input_shape(size_t op) const { return shapes_[op].inputs[0].shape; }
  const Shape& output_shape(size_t op) const { return shapes_[op].outputs[0].shape; }

  // The writer of the first input, of that type and as quantised as the reader, whose result nobody else
  // reads.
  size_t only_source(size_t op, std::string_view type) const {
    const std::string& blob = net_.ops[op].inputs[0];
    const size_t writer = writer_of(blob);
    if (writer == kNone || num_readers_.at(blob) != 1) return kNone;
    const std::string& actual = net_.ops[writer].type;
    const bool fits =
        plain_type(actual) == type && actual.starts_with(kInt8) == net_.ops[op].type.starts_with(kInt8);
    return fits ? writer : kNone;
  }

  void read_instead(size_t op, const std::string& blob, const TensorInfo& info) {
    --num_readers_[net_.ops[op].inputs[0]];
    ++num_readers_[blob];
    net_.ops[op].inputs[0] = blob;
    shapes_[op].inputs[0] = info;
  }

  // Views into rows, one after the other, as long as they keep the batch.
  void flatten_in_layer(size_t layer) {
    if (!shapes_[layer].known || Arguments(net_.ops[layer].type, net_.ops[layer].args).has("axis")) return;
    for (;;) {
      const size_t view = writer_of(net_.ops[layer].inputs[0]);
      if (view == kNone) return;
      const OperatorType* row = find_operator_type(net_.ops[view].type);
      const bool is_view = row != nullptr && row->is_view && net_.ops[view].outputs.size() == 1;
      if (!is_view || input_shape(view).size() < 2 || input_shape(view)[0] != output_shape(view)[0]) return;
      // Copied: the view may be removed.
      const std::string source = net_.ops[view].inputs[0];
      read_instead(layer, source, shapes_[view].inputs[0]);
      remove_unread(view);
    }
  }

  void remove_unread(size_t op) {
    if (num_readers_[net_.ops[op].outputs[0]] != 0) return;
    --num_readers_[net_.ops[op].inputs[0]];
    net_.constants[net_.ops[op].outputs[0]] = shapes_[op].outputs[0];
    is_removed_[op] = true;
  }

  void merge_norm(size_t norm) {
    if (!shapes_[norm].known) return;
    const size_t conv = std::min(only_source(norm, "Conv"), only_source(norm, "ConvTranspose"));
    const std::vector<std::string> parameters(net_.ops[norm].inputs.begin() + 1, net_.ops[norm].inputs.end());
    const auto is_parameter = [&](const std::string& blob) { return net_.parameters.contains(blob); };
    if (conv == kNone || net_.ops[norm].outputs.size() != 1 ||
        !std::ranges::all_of(parameters, is_parameter)) {
      return;
    }
    Operator& convolution = net_.ops[conv];
    net_.constants[convolution.outputs[0]] = shapes_[conv].outputs[0];
    convolution.outputs = net_.ops[norm].outputs;
    writers_[convolution.outputs[0]] = conv;
    if (convolution.inputs.size() == 2) {
      constexpr size_t kBias = 1;
      convolution.inputs.push_back(parameters[kBias]);
      shapes_[conv].inputs.push_back(shapes_[norm].inputs[1 + kBias]);
      ++num_readers_[parameters[kBias]];
    }
    for (const std::string& parameter : parameters) {
      if (--num_readers_[parameter] != 0) continue;
      net_.parameters.erase(parameter);
      net_.parameter_values.erase(parameter);
    }
    is_removed_[norm] = true;
  }

  // [N, C, ...] as [N, group, C / group, ...], the two middle dimensions exchanged, and back.
  void merge_shuffle(size_t last) {
    if (!shapes_[last].known) return;
    const size_t transpose = only_source(last, "Transpose");
    if (transpose == kNone) return;
    const size_t first = only_source(transpose, "Reshape");
    if (first == kNone) return;
    const Shape& image = input_shape(first);
    const Shape& groups = output_shape(first);
    if (image.size() < 3 || groups.size() < 4 || output_shape(last) != image) return;
    const bool splits_channels = groups[0] == image[0] && groups[1] * groups[2] == image[1];
    std::vector<int64_t> axes(groups.size());
    std::iota(axes.begin(), axes.end(), 0);
    std::swap(axes[1], axes[2]);
    const Operator& exchange = net_.ops[transpose];
    if (!splits_channels || Arguments(exchange.type, exchange.args).integers("axes") != axes) return;

    Operator shuffle = net_.ops[last];
    shuffle.type = shuffle.type.starts_with(kInt8) ? "Int8ChannelShuffle" : "ChannelShuffle";
    std::erase_if(shuffle.args, [](const Argument& arg) { return !arg.name.starts_with("Y_"); });
    shuffle.args.insert(shuffle.args.begin(), Argument::of_int("group", groups[1]));
    shuffle.inputs = {shuffle.inputs[0]};
    net_.ops[last] = std::move(shuffle);
    shapes_[last].inputs.resize(1);
    read_instead(last, net_.ops[first].inputs[0], shapes_[first].inputs[0]);
    remove_unread(transpose);
    remove_unread(first);
  }

  Net& net_;
  std::vector<OpShapes>& shapes_;
  std::vector<bool> is_removed_;
  std::unordered_map<std::string, size_t> writers_;
  std::unordered_map<std::string, size_t> num_readers_;
};

}  // namespace

void merge_patterns(Net& net, std::vector<OpShapes>& shapes, bool merges_norms) {
  if (!merges_norms && std::ranges::none_of(net.ops, may_begin)) return;
  Merger(net, shapes).run(merges_norms);
}

}  // namespace latgrad::net
