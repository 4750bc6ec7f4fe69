// Operators that keep the shape of their input: activations, copies, dropout.

#include <fmt/format.h>

#include "operators.h"

namespace latgrad::net::ops {

void same_as_input(OpContext& ctx) {
  for (size_t i = 0; i < ctx.num_outputs(); ++i) ctx.add_output(ctx.activation(0).shape);
}

void prelu(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 1).shape;
  const Shape& slope = ctx.parameter(1).shape;
  const int64_t channels = input.size() > 1 ? input[ctx.channel_axis(input.size())] : input[0];
  if (slope.size() != 1 || (slope[0] != 1 && slope[0] != channels)) {
    ctx.fail_at_input(
        1, fmt::format("the slope must have 1 element or one for each of the {} channels, got {}", channels,
                       to_string(slope)));
  }
  ctx.add_output(input);
}

void dropout(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0);
  ctx.add_output(input);
  if (ctx.num_outputs() > 1) ctx.add_output({input.shape, DataType::kBool});
}

}  // namespace latgrad::net::ops
