// ChannelShuffle, Int8ChannelShuffle.
// Source: caffe2/operators/channel_shuffle_op.h.

#include <fmt/format.h>

#include "operators.h"

namespace latgrad::net::ops {

void channel_shuffle(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 3).shape;
  const int64_t channels = input[ctx.channel_axis(input.size())];
  const int64_t group = ctx.int_arg("group", 1);
  if (group < 1 || channels % group != 0) {
    ctx.fail_at_arg("group", fmt::format("group must divide the {} channels of {}, got {}", channels,
                                         to_string(input), group));
  }
  ctx.add_output(input);
}

}  // namespace latgrad::net::ops
