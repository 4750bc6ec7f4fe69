#include "latgrad/net/infer_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "fill_operator.h"
#include "latgrad/base/error.h"
#include "operator_place.h"
#include "operators.h"

namespace latgrad::net {
namespace {

// The state of a blob while the operators run in order.
struct Value {
  enum State {
    kKnown,
    kNotGiven,  // an external input whose shape no file tells
    kUnknown,   // written by an operator of unknown type, or behind one
  };
  State state = kNotGiven;
  TensorInfo info;
};

TensorInfo no_info() { return {{}, DataType::kUndefined}; }

// "1 input", "at least 2 inputs", "2 to 3 inputs"; `noun` stands for one.
std::string count_text(size_t minimum, size_t maximum, std::string_view noun) {
  const bool is_bounded = maximum != std::numeric_limits<size_t>::max();
  if (is_bounded && minimum != maximum) return fmt::format("{} to {} {}s", minimum, maximum, noun);
  return fmt::format("{}{} {}{}", is_bounded ? "" : "at least ", minimum, noun, minimum == 1 ? "" : "s");
}

class Inference {
 public:
  Inference(const Net& net, const ShapeOptions& options)
      : net_(net),
        options_(options),
        external_inputs_(net.external_inputs.begin(), net.external_inputs.end()) {}

  NetShapes run() {
    NetShapes shapes;
    shapes.ops.reserve(net_.ops.size());
    for (op_index_ = 0; op_index_ < net_.ops.size(); ++op_index_) shapes.ops.push_back(infer_operator());
    check_external_outputs();
    for (const auto& [blob, value] : values_) {
      if (value.state == Value::kKnown) shapes.blobs.emplace(blob, value.info);
    }
    return shapes;
  }

 private:
  const Operator& op() const { return net_.ops[op_index_]; }

  Place place() const { return operator_place(net_.source, op_index_, op()); }
  Place place(std::string_view blob) const {
    Place place = this->place();
    place.blob = blob;
    return place;
  }

  // Dimensions are int in Caffe2, and tensors have an int64 number of elements.
  void check_size(std::string_view blob, const Shape& shape, std::string_view what) const {
    for (const int64_t dim : shape) {
      if (dim < 0 || dim > ops::kMaxDim) {
        throw NetError(
            fmt::format("a dimension of {} must be from 0 to 2^31 - 1, got {}", what, to_string(shape)),
            place(blob));
      }
    }
    try {
      num_elements(shape);
    } catch (const ValueError& error) {
      throw NetError(error.what(), place(blob));
    }
  }

  void check_input(std::string_view blob, const Shape& shape) const {
    check_size(blob, shape, "a data input");
    if (std::ranges::find(shape, 0) != shape.end()) {
      throw NetError(fmt::format("a dimension of a data input must be positive, got {}", to_string(shape)),
                     place(blob));
    }
  }

  // The value of a blob that no operator has written so far.
  Value given(const std::string& blob) const {
    if (const auto it = net_.inputs.find(blob); it != net_.inputs.end()) {
      check_input(blob, it->second.shape);
      return {Value::kKnown, it->second};
    }
    if (const auto it = net_.parameters.find(blob); it != net_.parameters.end()) {
      check_size(blob, it->second.shape, "a parameter");
      return {Value::kKnown, it->second};
    }
    if (external_inputs_.contains(blob)) return {Value::kNotGiven, {}};
    for (size_t later = op_index_; later < net_.ops.size(); ++later) {
      if (std::ranges::find(net_.ops[later].outputs, blob) != net_.ops[later].outputs.end()) {
        throw NetError(
            fmt::format("a blob must be written before it is read, got one that only op {} \"{}\" writes: "
                        "the network is cyclic or out of order",
                        later, net_.ops[later].type),
            place(blob));
      }
    }
    // A network that lists no external inputs does not tell them from what is missing.
    if (net_.external_inputs.empty() && (net_.parameters.empty() || is_data_input(net_, blob))) return {};
    throw NetError(
        "a blob must be an external input, a parameter, or written by an operator, got one that nothing "
        "writes",
        place(blob));
  }

  Value& read(const std::string& blob) {
    if (const auto it = values_.find(blob); it != values_.end()) return it->second;
    return values_.emplace(blob, given(blob)).first->second;
  }

  const ops::OperatorRule* rule() const {
    const ops::OperatorRule* rule = ops::find_rule(op().type);
    if (rule == nullptr && !options_.allow_unknown) {
      throw NetError(
          fmt::format("an operator must be of a type that shape inference knows, got \"{}\"", op().type),
          place());
    }
    return rule;
  }

  void check_counts(const ops::OperatorRule& rule) const {
    const size_t inputs = op().inputs.size();
    const size_t outputs = op().outputs.size();
    if (inputs < rule.min_inputs || inputs > rule.max_inputs) {
      throw NetError(fmt::format("{} must have {}, got {}", op().type,
                                 count_text(rule.min_inputs, rule.max_inputs, "input"), inputs),
                     place());
    }
    if (outputs < rule.min_outputs || outputs > rule.max_outputs) {
      throw NetError(fmt::format("{} must have {}, got {}", op().type,
                                 count_text(rule.min_outputs, rule.max_outputs, "output"), outputs),
                     place());
    }
  }

  // Caffe2 refuses them, too. Source: caffe2/utils/proto_utils.cc, ArgumentHelper.
  void check_arguments() {
    args_.clear();
    for (const Argument& arg : op().args) args_.push_back(&arg);
    std::ranges::sort(args_, {}, &Argument::name);
    const auto contradict = [](const Argument* a, const Argument* b) {
      return a->name == b->name && *a != *b;
    };
    if (const auto it = std::ranges::adjacent_find(args_, contradict); it != args_.end()) {
      Place where = place();
      where.field = (*it)->name;
      throw NetError(fmt::format("an argument must be given once, got different values of {}", (*it)->name),
                     std::move(where));
    }
  }

  OpShapes infer_operator() {
    const ops::OperatorRule* known_rule = rule();
    check_arguments();
    if (known_rule != nullptr) check_counts(*known_rule);
    std::vector<std::optional<TensorInfo>> inputs;
    bool known = known_rule != nullptr;
    for (const std::string& blob : op().inputs) {
      const Value& value = read(blob);
      known = known && value.state != Value::kUnknown;
      inputs.push_back(value.state == Value::kKnown ? std::optional(value.info) : std::nullopt);
    }
    return known ? infer_known(*known_rule, std::move(inputs)) : pass_over(inputs);
  }

  OpShapes infer_known(const ops::OperatorRule& rule, std::vector<std::optional<TensorInfo>> inputs) {
    ops::OpContext context(op(), place(), std::move(inputs));
    rule.infer(context);
    OpShapes shapes;
    shapes.macs = context.macs();
    for (size_t i = 0; i < op().inputs.size(); ++i) {
      // Parameters that the operator determined are known from now on; inputs that it ignores may stay open.
      const auto& input = context.inputs()[i];
      if (input) values_[op().inputs[i]] = {Value::kKnown, *input};
      shapes.inputs.push_back(input.value_or(no_info()));
    }
    shapes.outputs = std::move(context.outputs());
    for (size_t i = 0; i < op().outputs.size(); ++i) {
      check_size(op().outputs[i], shapes.outputs[i].shape, "an output");
      values_[op().outputs[i]] = {Value::kKnown, shapes.outputs[i]};
    }
    return shapes;
  }

  OpShapes pass_over(const std::vector<std::optional<TensorInfo>>& inputs) {
    OpShapes shapes;
    shapes.known = false;
    for (const auto& input : inputs) shapes.inputs.push_back(input.value_or(no_info()));
    shapes.outputs.assign(op().outputs.size(), no_info());
    for (const std::string& blob : op().outputs) values_[blob] = {Value::kUnknown, {}};
    return shapes;
  }

  void check_external_outputs() const {
    for (const std::string& blob : net_.external_outputs) {
      if (values_.contains(blob) || external_inputs_.contains(blob) || net_.inputs.contains(blob) ||
          net_.parameters.contains(blob)) {
        continue;
      }
      throw NetError("an external output must be written by an operator, got one that nothing writes",
                     {.file = net_.source, .blob = blob});
    }
  }

  const Net& net_;
  const ShapeOptions& options_;
  const std::unordered_set<std::string_view> external_inputs_;
  std::unordered_map<std::string_view, Value> values_;
  size_t op_index_ = 0;
  std::vector<const Argument*> args_;  // kept for its memory
};

}  // namespace

NetShapes infer_shapes(const Net& net, const ShapeOptions& options) { return Inference(net, options).run(); }

int64_t count_macs(const NetShapes& shapes) {
  int64_t sum = 0;
  for (const OpShapes& op : shapes.ops) {
    if (__builtin_add_overflow(sum, op.macs, &sum)) {
      throw NetError("the multiply-accumulates of a network must stay below 2^63");
    }
  }
  return sum;
}

ParameterCount count_parameters(const Net& net, const NetShapes& shapes) {
  ParameterCount count;
  // Blobs that are no parameters, or counted already.
  std::unordered_set<std::string_view> done;
  const auto add = [&](std::string_view blob, const TensorInfo& info) {
    const bool is_open = info.dtype == DataType::kUndefined;  // only unknown operators read it so far
    if (is_open || !done.insert(blob).second) return;
    int64_t& sum = info.shape.size() >= 2 ? count.weights : count.others;
    if (__builtin_add_overflow(sum, num_elements(info.shape), &sum)) {
      throw NetError("the parameters of a network must stay below 2^63", {.file = net.source});
    }
  };
  for (const auto& [blob, info] : net.inputs) done.insert(blob);
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const Operator& op = net.ops[i];
    for (size_t j = 0; j < op.inputs.size(); ++j) add(op.inputs[j], shapes.ops[i].inputs[j]);
    // Values that the network carries in itself are parameters, too, once somebody reads them.
    const bool is_value = op.inputs.empty() && is_fill_operator(op.type);
    for (const std::string& blob : op.outputs) {
      if (!is_value) done.insert(blob);
    }
  }
  return count;
}

}  // namespace latgrad::net
