// What the shape function of an operator sees: its arguments and inputs, where to put its outputs, and how to
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
#include "latgrad/net/net.h"

namespace latgrad::net::ops {

enum class Order { kNchw, kNhwc };

// Dimensions and geometric arguments are int in Caffe2. The bound also keeps every sum and product of two of
// them below 2^63.
constexpr int64_t kMaxDim = INT32_MAX;

class OpContext {
 public:
  // `inputs` holds nothing where no file tells the shape of an external input.
  OpContext(const Operator& op, Place place, std::vector<std::optional<TensorInfo>> inputs);

  const Operator& op() const { return op_; }
  const Place& place() const { return place_; }
  size_t num_inputs() const { return inputs_.size(); }
  size_t num_outputs() const { return op_.outputs.size(); }
  bool is_int8() const { return op_.type.starts_with("Int8"); }

  // Errors: NetError that says how to give the shape of a data input.
  const TensorInfo& activation(size_t index) const;
  // The same, with a rule on the number of dimensions.
  const TensorInfo& activation(size_t index, size_t min_rank) const;

  bool is_known(size_t index) const { return inputs_[index].has_value(); }
  // Errors: NetError that says how to give the shape of a parameter.
  const TensorInfo& parameter(size_t index) const;
  // For a parameter whose shape the network determines: checks it, or sets it where no file tells.
  void expect_parameter(size_t index, const Shape& shape, std::string_view what);

  bool has_arg(std::string_view name) const { return op_.find_arg(name) != nullptr; }
  // Errors (all of them): NetError where the argument holds another kind of value; integers must fit 32 bits.
  int64_t int_arg(std::string_view name, int64_t otherwise) const;
  float float_arg(std::string_view name, float otherwise) const;
  std::vector<int64_t> ints_arg(std::string_view name) const;
  // The argument `order`; where it is absent NHWC for int8 operators, which know nothing else, and NCHW.
  Order order() const;
  // The index of the channel dimension.
  size_t channel_axis(size_t rank) const;
  // An axis counted from the front; negative ones count from the back.
  size_t axis(int64_t value, size_t rank, std::string_view name) const;

  // uint8 for an int8 operator, else the type of its first input.
  DataType output_dtype() const;
  void add_output(TensorInfo info);
  void add_output(Shape shape) { add_output({std::move(shape), output_dtype()}); }

  // Errors: NetError beyond 64 bits.
  int64_t multiply(int64_t a, int64_t b) const;
  int64_t product(const Shape& shape, size_t from, size_t to) const;
  void set_macs(int64_t macs) { macs_ = macs; }

  // Throws a NetError that names file and operator, and blob or argument where given.
  [[noreturn]] void fail(const std::string& message) const;
  [[noreturn]] void fail_at_input(size_t index, const std::string& message) const;
  [[noreturn]] void fail_at_arg(std::string_view name, const std::string& message) const;

  const std::vector<std::optional<TensorInfo>>& inputs() const { return inputs_; }
  std::vector<TensorInfo>& outputs() { return outputs_; }
  int64_t macs() const { return macs_; }

 private:
  const Operator& op_;
  Place place_;
  std::vector<std::optional<TensorInfo>> inputs_;
  std::vector<TensorInfo> outputs_;
  int64_t macs_ = 0;
};

}  // namespace latgrad::net::ops
