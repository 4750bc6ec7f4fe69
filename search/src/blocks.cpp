#include "latgrad/search/blocks.h"

#include <fmt/format.h>

#include "architecture.h"
#include "latgrad/base/error.h"
#include "space_impl.h"

namespace latgrad::search {
namespace {

Convolution convolution(const internal::ConvPlan& plan, Precision precision) {
  return {.role = plan.role,
          .in_channels = plan.in_channels,
          .out_channels = plan.out_channels,
          .kernel = plan.kernel,
          .stride = plan.stride,
          .pad = plan.pad,
          .dilation = plan.dilation,
          .groups = plan.groups,
          .bias = internal::holds(plan.bias, precision),
          .relu = internal::holds(plan.relu, precision),
          .shuffled = plan.shuffled};
}

}  // namespace

Block block_at(const Space& space, size_t layer, size_t candidate, Precision precision) {
  const internal::BlockPlan& plan = internal::offered_block(space.impl(), layer, candidate);
  Block block{.residual = plan.residual};
  for (const internal::ConvPlan& conv : plan.convs)
    block.convolutions.push_back(convolution(conv, precision));
  return block;
}

FixedPart fixed_part(const Space& space, Precision precision) {
  const internal::SpaceImpl& impl = space.impl();
  FixedPart part{.pooled_channels = impl.head ? impl.head->out_channels : impl.layers.back().out_channels,
                 .classes = impl.file.head().classes()};
  if (impl.stem) part.stem = convolution(*impl.stem, precision);
  if (impl.head) part.head = convolution(*impl.head, precision);
  return part;
}

}  // namespace latgrad::search
