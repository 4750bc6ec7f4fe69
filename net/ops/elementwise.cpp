// Add, Sum, Mul, comparisons: several tensors in, one out.
// Source: caffe2/operators/{elementwise_ops.h,elementwise_ops_schema.cc,utility_ops.h},
// quantized/int8_add_op.h.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "broadcast.h"
#include "elements.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

// `broadcast: 1`: the second input is a contiguous part of the first, which gives the shape of the result.
Shape legacy_broadcast(const OpContext& ctx, const Shape& a, const Shape& b) {
  if (num_elements(b) == 1) return a;
  const auto axis = static_cast<std::ptrdiff_t>(broadcast_axis(ctx.args(), a.size(), b.size()));
  // Ones at either end of the second input do not count.
  const auto is_one = [](int64_t dim) { return dim == 1; };
  const auto first = std::find_if_not(b.begin(), b.end(), is_one);
  const auto last = std::find_if_not(b.rbegin(), b.rend(), is_one).base();
  if (!std::equal(first, last, a.begin() + axis + (first - b.begin()))) {
    fail_to_fit(ctx, fmt::format("the second input must match the first from axis {} on", axis));
  }
  return a;
}

Shape broadcast_shape(const OpContext& ctx) {
  const Shape& a = ctx.activation(0).shape;
  if (ctx.num_inputs() == 1) return a;  // Pow with the argument exponent
  const Shape& b = ctx.activation(1).shape;
  return ctx.args().integer("broadcast", 0) != 0 ? legacy_broadcast(ctx, a, b) : broadcast_shapes(ctx, a, b);
}

void equal_shapes(OpContext& ctx) {
  const Shape& first = ctx.activation(0).shape;
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    const Shape& other = ctx.activation(i).shape;
    if (other != first) {
      ctx.fail_at_input(i, fmt::format("all inputs must have the shape of the first, got {} and {}",
                                       to_string(first), to_string(other)));
    }
  }
  ctx.add_output(first);
}

void broadcast(OpContext& ctx) { ctx.add_output(broadcast_shape(ctx)); }

void compare(OpContext& ctx) { ctx.add_output({broadcast_shape(ctx), DataType::kBool}); }

// The values of both inputs under `function`, where they are known; the shape is that of the output, which is
// added.
template <typename Function>
void follow_values(OpContext& ctx, const Function& function) {
  const Values* a = ctx.values(0);
  const Values* b = ctx.values(1);
  if (a == nullptr || b == nullptr) return;
  const Shape a_shape = ctx.activation(0).shape;
  Shape b_shape = ctx.activation(1).shape;
  if (ctx.args().flag("broadcast")) {
    // The second input lies at an axis of the first; of one element or of equal shapes it is as numpy has it.
    if (b->size() != 1 && a_shape != b_shape) return;
    if (b->size() == 1) b_shape.clear();
  }
  ctx.set_values(make_elements(ctx.outputs()[0].shape, [&](const Shape& index) {
    return function(element_at(*a, a_shape, index), element_at(*b, b_shape, index));
  }));
}

template <auto function>
void arithmetic(OpContext& ctx) {
  broadcast(ctx);
  follow_values(ctx, function);
}

template <auto function>
void comparison(OpContext& ctx) {
  compare(ctx);
  follow_values(ctx, [](double a, double b) { return function(a, b) ? 1.0 : 0.0; });
}

constexpr bool both(double a, double b) { return a != 0 && b != 0; }
constexpr bool either(double a, double b) { return a != 0 || b != 0; }
constexpr bool one_of(double a, double b) { return (a != 0) != (b != 0); }

void power(OpContext& ctx) {
  broadcast(ctx);
  if (ctx.num_inputs() > 1) follow_values(ctx, [](double a, double b) { return std::pow(a, b); });
  const Values* base = ctx.values(0);
  const Argument* exponent = ctx.args().find("exponent");
  if (base == nullptr || ctx.num_inputs() > 1 || exponent == nullptr || !exponent->f) return;
  Values values = *base;
  for (double& value : values) value = std::pow(value, *exponent->f);
  ctx.set_values(std::move(values));
}

constexpr double divide(double a, double b) { return b == 0 ? 0 : a / b; }

// Of several tensors of one shape.
template <auto function>
void joined(OpContext& ctx) {
  equal_shapes(ctx);
  Values values;
  for (size_t i = 0; i < ctx.num_inputs(); ++i) {
    const Values* input = ctx.values(i);
    if (input == nullptr) return;
    if (i == 0) values = *input;
    for (size_t k = 0; i > 0 && k < values.size(); ++k) values[k] = function(values[k], (*input)[k]);
  }
  ctx.set_values(std::move(values));
}

constexpr double greater_of(double a, double b) { return std::max(a, b); }
constexpr double less_of(double a, double b) { return std::min(a, b); }

void negation(OpContext& ctx) {
  ctx.add_output({ctx.activation(0).shape, DataType::kBool});
  if (ctx.values(0) == nullptr) return;
  Values values = *ctx.values(0);
  for (double& value : values) value = value == 0 ? 1 : 0;
  ctx.set_values(std::move(values));
}

// Where the first input is true, the second, else the third.
void where(OpContext& ctx) {
  const Shape chosen = broadcast_shapes(ctx, ctx.activation(1).shape, ctx.activation(2).shape);
  ctx.add_output({broadcast_shapes(ctx, ctx.activation(0).shape, chosen), ctx.activation(1).dtype});
  const Values* condition = ctx.values(0);
  const Values* a = ctx.values(1);
  const Values* b = ctx.values(2);
  if (condition == nullptr || a == nullptr || b == nullptr) return;
  ctx.set_values(make_elements(ctx.outputs()[0].shape, [&](const Shape& index) {
    const bool is_first = element_at(*condition, ctx.activation(0).shape, index) != 0;
    return is_first ? element_at(*a, ctx.activation(1).shape, index)
                    : element_at(*b, ctx.activation(2).shape, index);
  }));
}

void elementwise_linear(OpContext& ctx) {
  const Shape input = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", 1), input.size(), "axis");
  const int64_t features = ctx.product(input, axis, input.size());
  ctx.expect_parameter(1, {features}, "the weight");
  ctx.expect_parameter(2, {features}, "the bias");
  ctx.add_output(input);
}

constexpr DefaultArgument kBroadcast[] = {{"broadcast", int64_t{0}}};

// Of any number of tensors.
constexpr OperatorType joining(std::string_view type, void (*infer)(OpContext&)) {
  return {.type = type, .inputs = {1, kAny}, .activations = kAll, .infer = infer};
}

// Of two tensors, the second stretched to the first.
constexpr OperatorType pairwise(std::string_view type, void (*infer)(OpContext&)) {
  return {.type = type, .inputs = {2, 2}, .activations = kAll, .defaults = kBroadcast, .infer = infer};
}

constexpr OperatorType quantised(OperatorType row) {
  row.parameter_types = kQuantised;
  return row;
}

constexpr OperatorType with_twin(OperatorType row, std::string_view twin) {
  row.twin = twin;
  return row;
}

constexpr OperatorType kRows[] = {
    joining("Max", joined<greater_of>),
    joining("Mean", equal_shapes),
    joining("Min", joined<less_of>),
    with_twin(joining("Sum", joined<std::plus<>{}>), "Add"),
    joining("SumRelu", equal_shapes),
    with_twin(quantised(joining("Int8Sum", equal_shapes)), "Int8Add"),
    with_twin(quantised(joining("Int8SumRelu", equal_shapes)), "Int8AddRelu"),
    {.type = "Int8Add",
     .inputs = {2, 2},
     .activations = kAll,
     .parameter_types = kQuantised,
     .twin = "Int8Sum",
     .infer = equal_shapes},
    {.type = "Int8AddRelu",
     .inputs = {2, 2},
     .activations = kAll,
     .parameter_types = kQuantised,
     .twin = "Int8SumRelu",
     .infer = equal_shapes},
    with_twin(pairwise("Add", arithmetic<std::plus<>{}>), "Sum"),
    pairwise("Div", arithmetic<divide>),
    pairwise("Mul", arithmetic<std::multiplies<>{}>),
    pairwise("Sub", arithmetic<std::minus<>{}>),
    quantised(pairwise("Int8Mul", broadcast)),
    pairwise("And", comparison<both>),
    pairwise("EQ", comparison<std::equal_to<>{}>),
    pairwise("GE", comparison<std::greater_equal<>{}>),
    pairwise("GT", comparison<std::greater<>{}>),
    pairwise("LE", comparison<std::less_equal<>{}>),
    pairwise("LT", comparison<std::less<>{}>),
    pairwise("NE", comparison<std::not_equal_to<>{}>),
    pairwise("Or", comparison<either>),
    {.type = "Pow", .inputs = {1, 2}, .activations = kAll, .defaults = kBroadcast, .infer = power},
    pairwise("Xor", comparison<one_of>),
    {.type = "Not", .infer = negation},
    {.type = "Where", .inputs = {3, 3}, .activations = kAll, .infer = where},
    {.type = "ElementwiseLinear", .inputs = {3, 3}, .defaults = kAxisOne, .infer = elementwise_linear},
};

}  // namespace

std::span<const OperatorType> elementwise_rows() { return kRows; }

}  // namespace latgrad::net::ops
