// Shape inference, operator by operator.
//
//   Inference inference(net, {.allow_unknown = true});
//   for (size_t i = 0; i < net.ops.size(); ++i) inference.step(net.ops[i], i);

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/registry.h"
#include "op_context.h"
#include "operator_place.h"
#include "placeholder.h"

namespace latgrad::net {

// The state of a blob while the operators run in order.
struct Value {
  enum State {
    kKnown,
    kNotGiven,  // an external input whose shape no file tells
    kUnknown,   // written by an operator of unknown type, or behind one
  };
  State state = kNotGiven;
  TensorInfo info = {};
  std::optional<Values> values = {};  // where they are known without running
};

inline TensorInfo no_info() { return {{}, DataType::kUndefined}; }

// "1 input", "at least 2 inputs", "2 to 3 inputs"; `noun` stands for one.
inline std::string count_text(size_t minimum, size_t maximum, std::string_view noun) {
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

  // Infers every operator. The object is used up.
  NetShapes run() && {
    NetShapes shapes;
    shapes.ops.reserve(net_.ops.size());
    for (size_t i = 0; i < net_.ops.size(); ++i) shapes.ops.push_back(step(net_.ops[i], i));
    check_external_outputs();
    if (!options_.list_blobs) return shapes;
    for (auto& [blob, value] : values_) {
      if (value.state != Value::kKnown) continue;
      shapes.blobs.emplace(blob, std::move(value.info));
      if (value.values) shapes.values.emplace(blob, std::move(*value.values));
    }
    return shapes;
  }

  // Infers one operator, after all those before it.
  // `index` is its place, for errors. The operator must outlive the object.
  OpShapes step(const Operator& op, size_t index) {
    op_ = &op;
    op_index_ = index;
    return infer_operator();
  }

  // The shape and type of a blob that an operator has written or read, or null.
  const TensorInfo* info_of(const std::string& blob) const {
    const auto it = values_.find(blob);
    return it == values_.end() || it->second.state != Value::kKnown ? nullptr : &it->second.info;
  }

  // Tells the shape, and maybe the elements, of a blob before any operator reads it. The name must outlive
  // the object. The pointers stay valid, and hold what was told last.
  struct Told {
    const TensorInfo* info;
    const Values* values;
  };
  Told tell(std::string_view blob, TensorInfo info, std::optional<Values> values) {
    Value& value = values_[blob];
    value = {Value::kKnown, std::move(info), std::move(values)};
    return {&value.info, value.values ? &*value.values : nullptr};
  }

  // The values of a blob at this moment, or null.
  const Values* values_of(const std::string& blob) const {
    const auto it = values_.find(blob);
    return it == values_.end() || !it->second.values ? nullptr : &*it->second.values;
  }

 private:
  const Operator& op() const { return *op_; }

  Place place() const { return operator_place(net_.source, op_index_, op()); }
  Place place(std::string_view blob) const {
    Place place = this->place();
    place.blob = blob;
    return place;
  }

  // Dimensions are int in Caffe2, and tensors have an int64 number of elements.
  void check_size(std::string_view blob, const Shape& shape, std::string_view what) const {
    for (const int64_t dim : shape) {
      if (dim < 0 || dim > kMaxDim) {
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

  // The value of a blob that no operator has written or read so far.
  Value given(size_t input) {
    const std::string& blob = op().inputs[input];
    if (const auto it = net_.inputs.find(blob); it != net_.inputs.end()) {
      check_input(blob, it->second.shape);
      settled_.insert(blob);
      return {Value::kKnown, it->second};
    }
    if (const auto it = net_.parameters.find(blob); it != net_.parameters.end()) {
      check_size(blob, it->second.shape, "a parameter");
      if (reads_placeholder(net_, op(), input)) return {Value::kNotGiven};
      const auto values = net_.parameter_values.find(blob);
      return {Value::kKnown, it->second,
              values == net_.parameter_values.end() ? std::nullopt : std::optional(values->second)};
    }
    if (external_inputs_.contains(blob) || net_.unfilled_parameters.contains(blob)) return {Value::kNotGiven};
    for (size_t later = op_index_; later < net_.ops.size(); ++later) {
      if (std::ranges::find(net_.ops[later].outputs, blob) != net_.ops[later].outputs.end()) {
        throw NetError(
            fmt::format("a blob must be written before it is read, got one that only op {} \"{}\" writes: "
                        "the network is cyclic or out of order",
                        later, net_.ops[later].type),
            place(blob));
      }
    }
    if (options_.allow_open_inputs) return {};
    // A network that lists no external inputs does not tell them from what is missing.
    if (net_.external_inputs.empty() && (net_.parameters.empty() || is_data_input(net_, blob))) return {};
    throw NetError(
        "a blob must be an external input, a parameter, or written by an operator, got one that nothing "
        "writes",
        place(blob));
  }

  Value* read(size_t input) {
    const std::string& blob = op().inputs[input];
    if (const auto it = values_.find(blob); it != values_.end()) return &it->second;
    return &values_.emplace(blob, given(input)).first->second;
  }

  const OperatorType* row() const {
    const OperatorType* row = find_operator_type(op().type);
    if (row == nullptr && !options_.allow_unknown) {
      throw NetError(fmt::format("an operator must be of a type that shape inference knows, got \"{}\"; "
                                 "--allow-unknown passes it over",
                                 op().type),
                     place());
    }
    return row;
  }

  void check_counts(const OperatorType& row) const {
    const auto check = [&](size_t actual, const Count& count, std::string_view noun) {
      if (actual >= count.least && actual <= count.most) return;
      throw NetError(fmt::format("{} must have {}, got {}", op().type,
                                 count_text(count.least, count.most, noun), actual),
                     place());
    };
    check(op().inputs.size(), row.inputs, "input");
    check(op().outputs.size(), row.outputs, "output");
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
    const OperatorType* row = this->row();
    check_arguments();
    if (row != nullptr) check_counts(*row);
    read_.clear();
    for (size_t i = 0; i < op().inputs.size(); ++i) read_.push_back(read(i));
    if (row == nullptr || !is_runnable()) return pass_over(row);
    try {
      return infer_known(*row);
    } catch (const ops::UnknownValue&) {
      // What else it writes, like the old shape of a Reshape, may stay unknown.
      const bool is_given = !op().outputs.empty() && given_output(op().outputs[0]) != nullptr;
      if (!is_given && !options_.allow_unknown) throw;
      OpShapes shapes = pass_over(row);
      shapes.known = is_given && std::ranges::all_of(
                                     read_, [](const Value* value) { return value->state == Value::kKnown; });
      return shapes;
    }
  }

  // Whether the inputs tell the outputs. Shapes that are not given the rule may determine, or ask for.
  bool is_runnable() const {
    return std::ranges::all_of(read_, [&](const Value* value) {
      const Value::State state = value->state;
      return state == Value::kKnown || (state == Value::kNotGiven && !options_.allow_open_inputs);
    });
  }

  std::vector<ops::OpContext::Input> known_inputs() const {
    std::vector<ops::OpContext::Input> inputs;
    inputs.reserve(op().inputs.size());
    for (size_t i = 0; i < read_.size(); ++i) {
      const std::string& blob = op().inputs[i];
      const Value& value = *read_[i];
      ops::OpContext::Input& input = inputs.emplace_back();
      if (value.state == Value::kKnown) {
        input.given = &value.info;
      } else if (const auto it = net_.unfilled_parameters.find(blob); it != net_.unfilled_parameters.end()) {
        input.maker = &it->second;
      }
      if (value.values) input.values = &*value.values;
    }
    return inputs;
  }

  OpShapes infer_known(const OperatorType& row) {
    ops::OpContext context(row, op(), net_.source, op_index_, known_inputs());
    try {
      row.infer(context);
    } catch (const ValueError& error) {
      Place where = place();
      where.field = error.place().field;
      throw NetError(error.message() + placeholder_hint(row), std::move(where));
    } catch (const ops::UnknownValue&) {
      throw;
    } catch (const NetError& error) {
      const std::string hint = placeholder_hint(row);
      if (hint.empty()) throw;
      throw NetError(error.message() + hint, error.place());
    }
    OpShapes shapes;
    shapes.macs = context.macs();
    shapes.inputs.reserve(op().inputs.size());
    for (size_t i = 0; i < op().inputs.size(); ++i) {
      // Parameters that the operator determined are known from now on; inputs that it ignores may stay open.
      const TensorInfo* input = context.inputs()[i].info();
      Value& value = *read_[i];
      if (input != nullptr && value.state != Value::kKnown) value = {Value::kKnown, *input};
      shapes.inputs.push_back(input == nullptr ? no_info() : *input);
    }
    shapes.outputs = std::move(context.outputs());
    for (size_t i = 0; i < op().outputs.size(); ++i) {
      const std::string& blob = op().outputs[i];
      check_size(blob, shapes.outputs[i].shape, "an output");
      check_given_output(blob, shapes.outputs[i].shape);
      Value& value = values_[blob];
      value = {Value::kKnown, shapes.outputs[i]};
      if (i < context.output_values().size()) value.values = std::move(context.output_values()[i]);
    }
    return shapes;
  }

  // What to do where a shape that does not fit comes from the init net, and stands where data does; else
  // empty.
  std::string placeholder_hint(const OperatorType& row) const {
    for (size_t i = 0; i < op().inputs.size(); ++i) {
      const std::string& blob = op().inputs[i];
      const auto it = net_.parameters.find(blob);
      if (!row.reads_activation(i) || it == net_.parameters.end() || settled_.contains(blob)) continue;
      if (row.activations == kAll && !external_inputs_.contains(blob)) continue;
      return fmt::format(
          "; {} in the init net may be a placeholder: give the shape with --input {}=1,3,224,224",
          to_string(it->second.shape), blob);
    }
    return "";
  }

  // The shape that is given for what an operator writes, or null. A blob that was read from outside before
  // has its shape from there.
  const TensorInfo* given_output(const std::string& blob) const {
    const auto it = net_.inputs.find(blob);
    return it == net_.inputs.end() || settled_.contains(blob) ? nullptr : &it->second;
  }

  // A shape can be given for what an operator of unknown output writes; elsewhere it must be the same.
  void check_given_output(const std::string& blob, const Shape& shape) const {
    const TensorInfo* given = given_output(blob);
    if (given == nullptr || given->shape == shape) return;
    throw NetError(fmt::format("a shape that is given must be the one that the operator writes, {}, got {}",
                               to_string(shape), to_string(given->shape)),
                   place(blob));
  }

  // Only what is given is known of the outputs.
  OpShapes pass_over(const OperatorType* row) {
    OpShapes shapes;
    shapes.known = false;
    if (row != nullptr && !row->multiplies) shapes.macs = 0;
    for (const Value* value : read_) {
      shapes.inputs.push_back(value->state == Value::kKnown ? value->info : no_info());
    }
    for (const std::string& blob : op().outputs) {
      const TensorInfo* given = given_output(blob);
      if (given != nullptr) check_input(blob, given->shape);
      shapes.outputs.push_back(given == nullptr ? no_info() : *given);
      write_unknown(blob);
    }
    for (const Net* subnet : op().subnets()) forget_outputs(*subnet);
    return shapes;
  }

  void write_unknown(const std::string& blob) {
    const TensorInfo* given = given_output(blob);
    values_[blob] = given == nullptr ? Value{Value::kUnknown} : Value{Value::kKnown, *given};
    if (given != nullptr) settled_.insert(blob);
  }

  // Subnets write into the same blobs.
  void forget_outputs(const Net& subnet) {
    for (const Operator& inner : subnet.ops) {
      for (const std::string& blob : inner.outputs) write_unknown(blob);
      for (const Net* nested : inner.subnets()) forget_outputs(*nested);
    }
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
  const ShapeOptions options_;
  const std::unordered_set<std::string_view> external_inputs_;
  std::array<std::byte, 4096> first_buffer_;
  std::pmr::monotonic_buffer_resource memory_{first_buffer_.data(), first_buffer_.size()};
  std::pmr::unordered_map<std::string_view, Value> values_{&memory_};
  std::unordered_set<std::string_view> settled_;  // of the inputs: those whose shape has counted
  const Operator* op_ = nullptr;
  size_t op_index_ = 0;
  std::vector<const Argument*> args_;  // kept for its memory
  std::vector<Value*> read_;           // by input of the operator at hand
};

}  // namespace latgrad::net
