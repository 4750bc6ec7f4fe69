// Candidates that read maps: blocks, convolutions, pools, skips.

#include <fmt/format.h>

#include <cmath>

#include "channel_rounding.h"
#include "range_check.h"
#include "space_fragments.h"

namespace latgrad::search::internal {
namespace {

int64_t expanded_channels(const proto::Block& block, const BlockPlace& place) {
  const int64_t in_channels = place.layer.in_channels;
  if (block.has_expand() && block.has_expand_channels()) {
    place.fail("a block must give expand or expand_channels, got both");
  }
  if (block.has_expand_channels()) {
    check_range("expand_channels", block.expand_channels(), 1, kMaxChannels, place.source, place.field);
    return block.expand_channels();
  }
  if (!block.has_expand()) return in_channels;
  const double channels = block.expand() * static_cast<double>(in_channels);
  const bool is_in_range = channels >= 0.5 && channels <= static_cast<double>(kMaxChannels);
  if (is_in_range && block.expand_multiple() != 1) {
    check_range("expand_multiple", block.expand_multiple(), 1, kMaxChannels, place.source, place.field);
    const int64_t rounded = rounded_channels(channels, block.expand_multiple());
    check_range("expanded channels", rounded, 1, kMaxChannels, place.source, place.field);
    return rounded;
  }
  // Ratios such as 2.3 have no exact double; a hundredth of a channel tells them from a wrong ratio.
  if (!(std::abs(channels - std::round(channels)) < 0.01) || !is_in_range) {
    place.fail(fmt::format("expand must give a whole number of channels from 1 to {}, got {} * {}",
                           kMaxChannels, block.expand(), in_channels));
  }
  return std::llround(channels);
}

// False only in a chain.
bool groups_fit(int64_t groups, int64_t in_channels, int64_t out_channels, const BlockPlace& place) {
  for (const int64_t channels : {in_channels, out_channels}) {
    if (channels % groups == 0) continue;
    if (place.is_chain) return false;
    place.fail(
        fmt::format("groups must divide the channels, got {} groups of {} channels", groups, channels));
  }
  return true;
}

// Of a Depthwise or a Conv: `kernel`, or `kernel_h` and `kernel_w`.
template <typename Message>
KernelSize kernel_of(const Message& message, const char* what, const BlockPlace& place) {
  const bool has_sides = message.has_kernel_h() || message.has_kernel_w();
  if (has_sides && (message.has_kernel() || !message.has_kernel_h() || !message.has_kernel_w())) {
    place.fail(fmt::format("{} must have kernel, or kernel_h and kernel_w", what));
  }
  const KernelSize kernel = has_sides ? KernelSize{message.kernel_h(), message.kernel_w()}
                                      : KernelSize{message.kernel(), message.kernel()};
  for (const int64_t side : {kernel.height, kernel.width}) {
    check_range(fmt::format("{} kernel", what), side, 1, kMaxKernel, place.source, place.field);
    if (side % 2 == 0) place.fail(fmt::format("{} kernel must be odd, got {}", what, side));
  }
  check_range(fmt::format("{} dilation", what), message.dilation(), 1, kMaxKernel, place.source, place.field);
  return kernel;
}

KernelSize padding(const KernelSize& kernel, int64_t dilation) {
  return {dilation * (kernel.height - 1) / 2, dilation * (kernel.width - 1) / 2};
}

// Nothing where the block has none.
const proto::SqueezeExcite* squeeze_excite_of(const proto::Block& block, const BlockPlace& place) {
  const proto::SqueezeExcite* nearest = block.has_squeeze_excite()         ? &block.squeeze_excite()
                                        : place.stage.has_squeeze_excite() ? &place.stage.squeeze_excite()
                                        : place.space.has_squeeze_excite() ? &place.space.squeeze_excite()
                                                                           : nullptr;
  return nearest == nullptr || nearest->none() ? nullptr : nearest;
}

int64_t squeezed_channels(const proto::SqueezeExcite& squeeze, int64_t expanded, const BlockPlace& place) {
  if (squeeze.has_channels() && squeeze.has_reduction()) {
    place.fail("squeeze_excite must give reduction or channels, got both");
  }
  if (squeeze.has_channels()) {
    check_range("squeeze_excite channels", squeeze.channels(), 1, kMaxChannels, place.source, place.field);
    return squeeze.channels();
  }
  check_range("squeeze_excite multiple", squeeze.multiple(), 1, kMaxChannels, place.source, place.field);
  if (!(squeeze.reduction() >= 1.0 / 1024 && squeeze.reduction() <= static_cast<double>(kMaxChannels))) {
    place.fail(fmt::format("squeeze_excite reduction must be from 1/1024 to {}, got {}", kMaxChannels,
                           squeeze.reduction()));
  }
  const int64_t of = squeeze.of() == proto::SqueezeExcite::INPUT ? place.layer.in_channels : expanded;
  const int64_t squeezed =
      rounded_channels(static_cast<double>(of) / squeeze.reduction(), squeeze.multiple());
  check_range("squeezed channels", squeezed, 1, kMaxChannels, place.source, place.field);
  return squeezed;
}

// The map times what its means say of each channel.
void write_squeeze_excite(FragmentBuilder& builder, const proto::SqueezeExcite& squeeze,
                          const BlockPlace& place) {
  const std::string map = builder.last();
  const int64_t channels = builder.channels();
  builder.average_pool("se_pool");
  builder.conv("se_reduce", {.out_channels = squeezed_channels(squeeze, channels, place),
                             .activation = squeeze.activation(),
                             .batch_norm = false});
  builder.conv("se_expand", {.out_channels = channels, .activation = squeeze.gate(), .batch_norm = false});
  const std::string gate = builder.last();
  builder.go_on_from(map);
  builder.multiply(gate, "se");
}

class BlockWriter {
 public:
  BlockWriter(const proto::Block& block, const BlockPlace& place)
      : block_(block),
        place_(place),
        builder_(place.layer.in_channels),
        activation_(block.has_activation() ? block.activation() : place.activation()),
        channels_(expanded_channels(block, place)),
        squeeze_(squeeze_excite_of(block, place)) {}

  std::optional<Fragment> write() {
    check_range("groups", block_.groups(), 1, kMaxChannels, place_.source, place_.field);
    if (!groups_fit(block_.groups(), channels_, place_.layer.out_channels, place_)) return std::nullopt;
    if (block_.has_conv()) {
      if (block_.depthwise_size() > 0) place_.fail("a block must have conv or depthwise, got both");
      if (!write_fused()) return std::nullopt;
    } else if (block_.depthwise_size() == 0) {
      place_.fail("a block must have at least one depthwise convolution, or conv, got none");
    } else {
      if (!write_expansion()) return std::nullopt;
      write_depthwise();
    }
    builder_.conv("project", {.out_channels = place_.layer.out_channels, .groups = block_.groups()});
    if (block_.residual() && place_.may_add_input()) builder_.add(builder_.input(), "sum");
    return builder_.finish();
  }

 private:
  // Whether its groups fit.
  bool write_expansion() {
    const bool expands = block_.has_expand() || block_.has_expand_channels();
    if (!expands || (place_.space.drop_unit_expansion() && channels_ == place_.layer.in_channels))
      return true;
    if (!groups_fit(block_.groups(), place_.layer.in_channels, channels_, place_)) return false;
    builder_.conv("expand",
                  {.out_channels = channels_, .groups = block_.groups(), .activation = activation_});
    if (block_.shuffle() && block_.groups() > 1) builder_.shuffle(block_.groups(), "expand_shuffle");
    return true;
  }

  void write_depthwise() {
    int64_t stride = place_.layer.stride;
    for (int i = 0; i < block_.depthwise_size(); ++i) {
      const std::string role = block_.depthwise_size() == 1 ? std::string(kDepthwiseRole)
                                                            : fmt::format("{}{}", kDepthwiseRole, i + 1);
      const bool is_last = i + 1 == block_.depthwise_size();
      write_depthwise(role, block_.depthwise(i), stride, is_last ? squeeze_ : nullptr);
      stride = 1;
    }
  }

  void write_depthwise(const std::string& role, const proto::Depthwise& depthwise, int64_t stride,
                       const proto::SqueezeExcite* squeeze) {
    const KernelSize kernel = kernel_of(depthwise, "depthwise", place_);
    const auto when = depthwise.has_relu() ? depthwise.relu() : place_.space.depthwise_relu();
    const auto bias = depthwise.has_bias() ? depthwise.bias() : place_.space.depthwise_bias();
    with_squeeze(role,
                 {.out_channels = channels_,
                  .kernel = kernel,
                  .stride = stride,
                  .pad = padding(kernel, depthwise.dilation()),
                  .dilation = depthwise.dilation(),
                  .groups = channels_,
                  .bias = holds(bias, place_.precision),
                  .activation = holds(when, place_.precision) ? activation_ : proto::Activation::NONE},
                 squeeze);
  }

  // Whether its groups fit.
  bool write_fused() {
    const proto::Conv& conv = block_.conv();
    if (conv.residual()) place_.fail("the conv of a block must not have a residual: the block has one");
    const KernelSize kernel = kernel_of(conv, "conv", place_);
    check_range("conv groups", conv.groups(), 1, kMaxChannels, place_.source, place_.field);
    if (!groups_fit(conv.groups(), place_.layer.in_channels, channels_, place_)) return false;
    with_squeeze("expand",
                 {.out_channels = channels_,
                  .kernel = kernel,
                  .stride = place_.layer.stride,
                  .pad = padding(kernel, conv.dilation()),
                  .dilation = conv.dilation(),
                  .groups = conv.groups(),
                  .activation = conv.has_activation() ? conv.activation() : activation_},
                 squeeze_);
    return true;
  }

  // The convolution, and squeeze-and-excite behind it or before its activation.
  void with_squeeze(const std::string& role, ConvFields fields, const proto::SqueezeExcite* squeeze) {
    if (squeeze == nullptr || !squeeze->before_activation()) {
      builder_.conv(role, fields);
      if (squeeze != nullptr) write_squeeze_excite(builder_, *squeeze, place_);
      return;
    }
    const ActivationKind activation = std::exchange(fields.activation, proto::Activation::NONE);
    builder_.conv(role, fields);
    write_squeeze_excite(builder_, *squeeze, place_);
    if (activation != proto::Activation::NONE) builder_.activation(activation, role + "_act");
  }

  const proto::Block& block_;
  const BlockPlace& place_;
  FragmentBuilder builder_;
  ActivationKind activation_;
  int64_t channels_;
  const proto::SqueezeExcite* squeeze_;
};

}  // namespace

std::optional<Fragment> generate_block(const proto::Block& block, const BlockPlace& place) {
  return BlockWriter(block, place).write();
}

std::optional<Fragment> generate_conv(const proto::Conv& conv, const BlockPlace& place) {
  const LayerInfo& layer = place.layer;
  const KernelSize kernel = kernel_of(conv, "conv", place);
  check_range("conv groups", conv.groups(), 1, kMaxChannels, place.source, place.field);
  if (!groups_fit(conv.groups(), layer.in_channels, layer.out_channels, place)) return std::nullopt;
  FragmentBuilder builder(layer.in_channels);
  builder.conv("conv", {.out_channels = layer.out_channels,
                        .kernel = kernel,
                        .stride = layer.stride,
                        .pad = padding(kernel, conv.dilation()),
                        .dilation = conv.dilation(),
                        .groups = conv.groups(),
                        .activation = conv.has_activation() ? conv.activation() : place.activation()});
  if (conv.residual() && place.may_add_input()) builder.add(builder.input(), "sum");
  return builder.finish();
}

std::optional<Fragment> generate_pool(const proto::Pool& pool, const BlockPlace& place) {
  const LayerInfo& layer = place.layer;
  check_range("pool kernel", pool.kernel(), 1, kMaxKernel, place.source, place.field);
  if (pool.kernel() % 2 == 0) place.fail(fmt::format("pool kernel must be odd, got {}", pool.kernel()));
  if (layer.in_channels != layer.out_channels) return std::nullopt;
  FragmentBuilder builder(layer.in_channels);
  builder.pool(pool.kind() == proto::Pool::MAX ? "MaxPool" : "AveragePool", pool.kernel(), layer.stride,
               "pool");
  return builder.finish();
}

std::optional<Fragment> generate_skip(const proto::Skip& skip, const BlockPlace& place) {
  if (place.keeps_shape()) return Fragment();
  if (skip.elsewhere() == proto::Skip::NOT_OFFERED || place.layer.tokens > 0) return std::nullopt;
  FragmentBuilder builder(place.layer.in_channels);
  builder.conv("project", {.out_channels = place.layer.out_channels,
                           .stride = place.layer.stride,
                           .activation = holds(skip.relu(), place.precision) ? place.activation()
                                                                             : proto::Activation::NONE});
  return builder.finish();
}

}  // namespace latgrad::search::internal
