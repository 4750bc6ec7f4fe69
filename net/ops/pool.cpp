// MaxPool, AveragePool, PadImage and their kin.
// Source: caffe2/operators/{conv_pool_op_base.h,pool_op.cc,pad_op.cc}.

#include <fmt/format.h>

#include "image.h"
#include "operators.h"
#include "window_args.h"

namespace latgrad::net::ops {

void pool(OpContext& ctx) {
  const Order order = ctx.order();
  const Image in = split_image(ctx.activation(0, 3).shape, order);
  ctx.add_output(join_image({in.batch, in.channels, window_over(ctx, in.spatial).counts}, order));
  // MaxPoolWithIndex says where each maximum was.
  if (ctx.num_outputs() > 1) ctx.add_output({ctx.outputs()[0].shape, DataType::kInt32});
}

void pad_image(OpContext& ctx) {
  const Order order = ctx.order();
  Image image = split_image(ctx.activation(0, 3).shape, order);
  const size_t rank = image.spatial.size();
  const std::vector<int64_t> pads = pads_arg(ctx, rank);
  for (size_t dim = 0; dim < rank; ++dim) {
    image.spatial[dim] += pads[dim] + pads[rank + dim];
    if (image.spatial[dim] < 1) {
      ctx.fail_at_arg("pads", fmt::format("negative pads must leave some of the image, got {} of input {}",
                                          to_string(pads), to_string(ctx.activation(0).shape)));
    }
  }
  ctx.add_output(join_image(image, order));
}

}  // namespace latgrad::net::ops
