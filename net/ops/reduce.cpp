// Reductions along axes, along the first or last dimensions, to norms, extremes and the greatest k.
// Source:
// caffe2/operators/{reduce_ops,reduce_front_back_mean_ops,reduce_front_back_sum_ops,arg_ops,lpnorm_op,top_k}.h.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "rows.h"

namespace latgrad::net::ops {
namespace {

size_t num_reduce_dim(const OpContext& ctx, size_t rank) {
  const int64_t count = ctx.args().integer("num_reduce_dim", 1);
  if (count < 0 || count > static_cast<int64_t>(rank)) {
    ctx.fail_at_arg("num_reduce_dim",
                    fmt::format("num_reduce_dim must be between 0 and {}, got {}", rank, count));
  }
  return static_cast<size_t>(count);
}

void reduce(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const std::vector<int64_t> axes = ctx.args().integers("axes");
  // Without axes everything is reduced.
  std::vector<bool> reduced(input.size(), axes.empty());
  for (const int64_t axis : axes) reduced[ctx.axis(axis, input.size(), "axes")] = true;
  const bool keep = ctx.args().integer("keepdims", 1) != 0;
  Shape shape;
  for (size_t i = 0; i < input.size(); ++i) {
    if (!reduced[i]) shape.push_back(input[i]);
    if (reduced[i] && keep) shape.push_back(1);
  }
  ctx.add_output(std::move(shape));
}

// Sizes are often computed so.
template <auto function>
void followed(OpContext& ctx) {
  reduce(ctx);
  const Values* values = ctx.values(0);
  if (values == nullptr || values->empty() || num_elements(ctx.outputs()[0].shape) != 1) return;
  double result = values->front();
  for (size_t i = 1; i < values->size(); ++i) result = function(result, (*values)[i]);
  ctx.set_values(Values{result});
}
constexpr double product_of(double a, double b) { return a * b; }
constexpr double sum_of(double a, double b) { return a + b; }
constexpr double greater_of(double a, double b) { return std::max(a, b); }
constexpr double less_of(double a, double b) { return std::min(a, b); }

void reduce_front(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const size_t count = num_reduce_dim(ctx, input.size());
  ctx.add_output(Shape(input.begin() + static_cast<std::ptrdiff_t>(count), input.end()));
}

void reduce_back(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const size_t count = num_reduce_dim(ctx, input.size());
  ctx.add_output(Shape(input.begin(), input.end() - static_cast<std::ptrdiff_t>(count)));
}

// Where the extreme of each slice along `axis` is.
void arg_extreme(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", -1), shape.size(), "axis");
  if (ctx.args().integer("keepdims", 1) != 0) {
    shape[axis] = 1;
  } else {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  ctx.add_output({std::move(shape), DataType::kInt64});
}

// Of all elements together.
void lp_norm(OpContext& ctx) {
  ctx.activation(0);
  ctx.add_output(Shape{1});
}

// The greatest values along `axis`, and where they are; in a third output where they are in the flattened
// input.
void top_k(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", -1), shape.size(), "axis");
  int64_t k = 0;
  if (ctx.num_inputs() > 1) {
    const std::vector<int64_t> values = ctx.known_integers(1, "the number k");
    if (values.size() != 1) ctx.fail_at_input(1, fmt::format("k must be one number, got {}", values.size()));
    k = values[0];
  } else {
    k = ctx.args().integer("k", 0);
  }
  if (k < 1) ctx.fail_at_arg("k", fmt::format("k must be positive, got {}", k));
  // Where there are fewer, Caffe2 fills up.
  shape[axis] = k;
  ctx.add_output(shape);
  ctx.add_output({shape, DataType::kInt64});
  if (ctx.num_outputs() > 2) ctx.add_output({{ctx.product(shape, 0, shape.size())}, DataType::kInt64});
}

constexpr DefaultArgument kArg[] = {{"axis", int64_t{-1}}, {"keepdims", int64_t{1}}};
constexpr DefaultArgument kCumSum[] = {
    {"axis", int64_t{0}}, {"exclusive", int64_t{0}}, {"reverse", int64_t{0}}};
constexpr DefaultArgument kKeepDims[] = {{"keepdims", int64_t{1}}};
constexpr DefaultArgument kLastAxis[] = {{"axis", int64_t{-1}}};
constexpr DefaultArgument kLpNorm[] = {{"p", int64_t{2}}, {"average", int64_t{0}}};
constexpr DefaultArgument kOneDim[] = {{"num_reduce_dim", int64_t{1}}};

// Sums of all elements up to each one along `axis`.
void cumulative_sum(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0, 1);
  ctx.axis(ctx.args().integer("axis", 0), input.shape.size(), "axis");
  ctx.add_output(input);
}

constexpr OperatorType kRows[] = {
    {.type = "ArgMax", .defaults = kArg, .infer = arg_extreme},
    {.type = "ArgMin", .defaults = kArg, .infer = arg_extreme},
    {.type = "CumSum", .defaults = kCumSum, .infer = cumulative_sum},
    {.type = "LpNorm", .defaults = kLpNorm, .infer = lp_norm},
    {.type = "ReduceBackMax",
     .inputs = {1, 2},
     .parameter_types = kIndices,
     .defaults = kOneDim,
     .infer = reduce_back},
    {.type = "ReduceBackMean",
     .inputs = {1, 2},
     .parameter_types = kIndices,
     .defaults = kOneDim,
     .infer = reduce_back},
    {.type = "ReduceBackSum",
     .inputs = {1, 2},
     .parameter_types = kIndices,
     .defaults = kOneDim,
     .infer = reduce_back},
    {.type = "ReduceFrontMax",
     .inputs = {1, 2},
     .parameter_types = kIndices,
     .defaults = kOneDim,
     .infer = reduce_front},
    {.type = "ReduceFrontMean",
     .inputs = {1, 2},
     .parameter_types = kIndices,
     .defaults = kOneDim,
     .infer = reduce_front},
    {.type = "ReduceFrontSum",
     .inputs = {1, 2},
     .parameter_types = kIndices,
     .defaults = kOneDim,
     .infer = reduce_front},
    {.type = "ReduceL1", .defaults = kKeepDims, .infer = reduce},
    {.type = "ReduceL2", .defaults = kKeepDims, .infer = reduce},
    {.type = "ReduceLogSumExp", .defaults = kKeepDims, .infer = reduce},
    {.type = "ReduceMax", .defaults = kKeepDims, .infer = followed<greater_of>},
    {.type = "ReduceMean", .defaults = kKeepDims, .infer = reduce},
    {.type = "ReduceMin", .defaults = kKeepDims, .infer = followed<less_of>},
    {.type = "ReduceProd", .defaults = kKeepDims, .infer = followed<product_of>},
    {.type = "ReduceSum", .defaults = kKeepDims, .infer = followed<sum_of>},
    {.type = "ReduceSumSquare", .defaults = kKeepDims, .infer = reduce},
    {.type = "TopK",
     .inputs = {1, 2},
     .outputs = {2, 3},
     .parameter_types = kLengths,
     .defaults = kLastAxis,
     .infer = top_k},
};

}  // namespace

std::span<const OperatorType> reduce_rows() { return kRows; }

}  // namespace latgrad::net::ops
