// What the rule of an operator type sees: its arguments and inputs, where to put its outputs, and how to
// complain.
//
//   void relu(OpContext& ctx) { ctx.add_output(ctx.activation(0)); }

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/net/arguments.h"
#include "latgrad/net/net.h"
#include "latgrad/net/registry.h"

namespace latgrad::net::ops {

// What a rule needs and only running the network would tell.
class UnknownValue : public NetError {
  using NetError::NetError;
};

class OpContext {
 public:
  struct Input {
    const TensorInfo* given = nullptr;          // null where no file tells the shape of an external input
    std::optional<TensorInfo> determined = {};  // of a parameter that is not given: by the operator
    const Values* values = nullptr;             // where they are known without running
    const std::string* maker = nullptr;         // of a parameter of unknown shape: what was to make it

    // Null where neither tells.
    const TensorInfo* info() const { return given == nullptr && determined ? &*determined : given; }
  };

  // `source` and `index` say where the operator stands, for errors; both outlive the object.
  OpContext(const OperatorType& row, const Operator& op, const std::string& source, size_t index,
            std::vector<Input> inputs);

  const Operator& op() const { return op_; }
  const Arguments& args() const { return args_; }
  size_t num_inputs() const { return inputs_.size(); }
  size_t num_outputs() const { return op_.outputs.size(); }
  bool is_int8() const { return op_.type.starts_with("Int8"); }

  // Errors: NetError that says how to give the shape of a data input.
  const TensorInfo& activation(size_t index) const;
  // The same, with a rule on the number of dimensions.
  const TensorInfo& activation(size_t index, size_t min_rank) const;

  bool is_known(size_t index) const { return inputs_[index].info() != nullptr; }
  // Errors: NetError that says how to give the shape of a parameter.
  const TensorInfo& parameter(size_t index) const;
  // For a parameter whose shape the network determines: checks it, or sets it where no file tells.
  void expect_parameter(size_t index, const Shape& shape, std::string_view what);

  // The values of input `index`, or null where only running the network would tell them.
  const Values* values(size_t index) const { return inputs_[index].values; }
  // The same as 64-bit integers. Errors: UnknownValue, which calls them `what` ("the new shape").
  std::vector<int64_t> known_integers(size_t index, std::string_view what) const;

  // The index of the channel dimension.
  size_t channel_axis(size_t rank) const;
  // An axis counted from the front; negative ones count from the back.
  size_t axis(int64_t value, size_t rank, std::string_view name) const;

  // uint8 for an int8 operator, else the type of its first input.
  DataType output_dtype() const;
  void add_output(TensorInfo info) { outputs_.push_back(std::move(info)); }
  void add_output(Shape shape) { add_output({std::move(shape), output_dtype()}); }
  // The values of the output that was added last, rounded as its type rounds. Too many of them, or not as
  // many as its shape has elements, are forgotten.
  void set_values(std::optional<Values> known);

  // Errors: NetError beyond 64 bits.
  int64_t multiply(int64_t a, int64_t b) const;
  int64_t product(const Shape& shape, size_t from, size_t to) const;
  void set_macs(int64_t macs) { macs_ = macs; }

  // Throws a NetError that names file and operator, and blob or argument where given.
  [[noreturn]] void fail(const std::string& message) const;
  [[noreturn]] void fail_at_input(size_t index, const std::string& message) const;
  [[noreturn]] void fail_at_arg(std::string_view name, const std::string& message) const;
  // Throws an UnknownValue: `what` is known only when the network runs.
  [[noreturn]] void fail_unknown(size_t index, std::string_view what) const;

  const std::vector<Input>& inputs() const { return inputs_; }
  std::vector<TensorInfo>& outputs() { return outputs_; }
  std::vector<std::optional<Values>>& output_values() {
    return output_values_;
  }  // as many as outputs, or fewer
  int64_t macs() const { return macs_; }

 private:
  Place place() const;

  const OperatorType& row_;
  const Operator& op_;
  Arguments args_;
  const std::string& source_;
  size_t index_;
  std::vector<Input> inputs_;
  std::vector<TensorInfo> outputs_;
  std::vector<std::optional<Values>> output_values_;
  int64_t macs_ = 0;
};

}  // namespace latgrad::net::ops
