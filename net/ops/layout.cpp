// NCHW2NHWC, NHWC2NCHW.
// Source: caffe2/operators/order_switch_ops.h.

#include "image.h"
#include "operators.h"

namespace latgrad::net::ops {

void nchw_to_nhwc(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0, 3);
  ctx.add_output({join_image(split_image(input.shape, Order::kNchw), Order::kNhwc), input.dtype});
}

void nhwc_to_nchw(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0, 3);
  ctx.add_output({join_image(split_image(input.shape, Order::kNhwc), Order::kNchw), input.dtype});
}

}  // namespace latgrad::net::ops
