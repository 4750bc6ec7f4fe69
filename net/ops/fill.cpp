// Fill operators inside the network itself.

#include "fill_operator.h"
#include "operators.h"

namespace latgrad::net::ops {

void fill(OpContext& ctx) {
  std::optional<TensorInfo> input;
  if (ctx.num_inputs() > 0) input = ctx.activation(0);
  ctx.add_output(fill_operator_output(ctx.op(), input, ctx.place()));
}

}  // namespace latgrad::net::ops
