#include "latgrad/search/lowering.h"

#include <fmt/format.h>

#include <algorithm>

#include "architecture.h"
#include "latgrad/base/error.h"
#include "net_builder.h"

namespace latgrad::search {
namespace {

using internal::Blob;
using internal::BlockPlan;
using internal::ConvPlan;
using internal::NetBuilder;
using internal::SpaceImpl;

// "layer03": as many digits as the last layer has, two at least, so that names sort.
std::string layer_name(const SpaceImpl& space, size_t layer) {
  const size_t digits = std::max<size_t>(2, std::to_string(space.layers.size()).size());
  return fmt::format("layer{:0{}}", layer + 1, digits);
}

Blob write_begin(NetBuilder& builder, const SpaceImpl& space) {
  const Blob image = builder.quantize(builder.image(space.file.input().blob()));
  return space.stem ? builder.conv(image, *space.stem, "") : image;
}

Blob write_block(NetBuilder& builder, const SpaceImpl& space, const Blob& in, size_t layer,
                 size_t candidate) {
  const BlockPlan& plan = internal::offered_block(space, layer, candidate);
  const std::string prefix =
      fmt::format("{}_{}", layer_name(space, layer), space.layers[layer].candidates[candidate]);
  Blob blob = in;
  for (const ConvPlan& conv : plan.convs) blob = builder.conv(blob, conv, prefix);
  return plan.residual ? builder.sum(blob, in, prefix + "_sum") : blob;
}

Blob write_end(NetBuilder& builder, const SpaceImpl& space, const Blob& in) {
  const Blob features = space.head ? builder.conv(in, *space.head, "") : in;
  const Blob pooled = builder.average_pool(features, "pool");
  const Blob logits = builder.fully_connected(pooled, space.file.head().classes(), "logits");
  return builder.dequantize(builder.softmax(logits, "softmax"), "softmax");
}

std::string net_name(const SpaceImpl& space, Precision precision) {
  return fmt::format("{}_{}", space.file.name(), to_string(precision));
}

}  // namespace

net::Net lower(const Space& space, const Architecture& arch, Precision precision) {
  space.check(arch);
  const SpaceImpl& impl = space.impl();
  NetBuilder builder(impl, precision, net_name(impl, precision));
  Blob blob = write_begin(builder, impl);
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    blob = write_block(builder, impl, blob, layer, static_cast<size_t>(arch[layer]));
  }
  builder.output(write_end(builder, impl, blob));
  return builder.finish();
}

net::Net lower_fixed(const Space& space, Precision precision) {
  const SpaceImpl& impl = space.impl();
  NetBuilder builder(impl, precision, net_name(impl, precision) + "_fixed");
  const Blob layers_in = write_begin(builder, impl);
  builder.output(layers_in);
  const LayerInfo& last = impl.layers.back();
  const Blob layers_out =
      builder.activation({"layers_out", layers_in.batch, last.out_channels, last.out_height, last.out_width});
  builder.output(write_end(builder, impl, layers_out));
  return builder.finish();
}

net::Net lower_block(const Space& space, size_t layer, size_t candidate, Precision precision) {
  const SpaceImpl& impl = space.impl();
  internal::offered_block(impl, layer, candidate);  // before the layer is read
  const LayerInfo& info = impl.layers[layer];
  NetBuilder builder(impl, precision,
                     fmt::format("{}_{}_{}", net_name(impl, precision), layer_name(impl, layer),
                                 info.candidates[candidate]));
  const Blob in = builder.activation({layer_name(impl, layer) + "_in", impl.file.input().batch(),
                                      info.in_channels, info.in_height, info.in_width});
  builder.output(write_block(builder, impl, in, layer, candidate));
  return builder.finish();
}

}  // namespace latgrad::search
