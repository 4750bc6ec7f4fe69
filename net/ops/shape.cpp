// What a tensor's shape alone tells: Shape, Size, IsEmpty, HasElements. Their outputs are known without
// running. Source: caffe2/operators/{shape_op.h,utility_ops.h}.

#include "rows.h"

namespace latgrad::net::ops {
namespace {

// With `axes` only those dimensions.
void shape(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  Values dims(input.begin(), input.end());
  if (const std::vector<int64_t> axes = ctx.args().integers("axes"); !axes.empty()) {
    dims.clear();
    for (const int64_t axis : axes) {
      dims.push_back(static_cast<double>(input[ctx.axis(axis, input.size(), "axes")]));
    }
  }
  ctx.add_output({{static_cast<int64_t>(dims.size())}, DataType::kInt64});
  ctx.set_values(std::move(dims));
}

void size(OpContext& ctx) {
  ctx.add_output({{}, DataType::kInt64});
  ctx.set_values(Values{static_cast<double>(num_elements(ctx.activation(0).shape))});
}

template <bool when_empty>
void is_empty(OpContext& ctx) {
  ctx.add_output({{}, DataType::kBool});
  const bool empty = num_elements(ctx.activation(0).shape) == 0;
  ctx.set_values(Values{empty == when_empty ? 1.0 : 0.0});
}

constexpr OperatorType kRows[] = {
    {.type = "HasElements", .infer = is_empty<false>},
    {.type = "IsEmpty", .infer = is_empty<true>},
    {.type = "Shape", .infer = shape},
    {.type = "Size", .infer = size},
};

}  // namespace

std::span<const OperatorType> shape_rows() { return kRows; }

}  // namespace latgrad::net::ops
