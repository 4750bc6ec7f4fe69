#include "space_fragments.h"

#include <fmt/format.h>

#include "latgrad/base/error.h"
#include "range_check.h"

namespace latgrad::search::internal {
namespace {

using net::Argument;

// A map becomes tokens, one for each pixel.
void write_tokens(FragmentBuilder& builder, const proto::Sequence& sequence, int64_t height, int64_t width) {
  const int64_t channels = builder.channels();
  int64_t tokens = height * width;
  builder.simple("Reshape", {}, {integers("shape", {0, channels, tokens})}, "pixels");
  builder.simple("Transpose", {}, {integers("axes", {0, 2, 1})}, "tokens");
  if (sequence.class_token()) {
    builder.parameter("class_token_w", {1, 1, channels});
    net::Operator concat;
    concat.type = "Concat";
    concat.inputs = {"class_token_w", builder.last()};
    concat.outputs = {"tokens_with_class"};
    concat.args = {Argument::of_int("axis", 1)};
    builder.append(std::move(concat));
    ++tokens;
  }
  if (sequence.positions()) {
    builder.parameter("positions_w", {1, tokens, channels});
    builder.simple("Add", {"positions_w"}, {}, "positions");
  }
}

// Behind the pool, or of one token.
void write_classes(FragmentBuilder& builder, const proto::Space& space) {
  const proto::Head& head = space.head();
  if (head.has_hidden()) {
    const proto::Hidden& hidden = head.hidden();
    const ActivationKind activation = hidden.has_activation() ? hidden.activation() : space.activation();
    if (hidden.form() == proto::Hidden::CONV && !space.has_sequence()) {
      builder.conv("hidden", {.out_channels = hidden.channels(),
                              .bias = hidden.bias(),
                              .activation = activation,
                              .batch_norm = false});
    } else {
      const bool activates = activation != proto::Activation::NONE;
      builder.fully_connected(hidden.channels(), activates ? "hidden_fc" : "hidden");
      if (activates) builder.activation(activation, "hidden");
    }
  }
  builder.fully_connected(head.classes(), "logits");
}

}  // namespace

void BlockPlace::fail(const std::string& message) const {
  throw ValueError(message, {.file = source, .field = field});
}

bool BlockPlace::keeps_shape() const {
  return layer.in_channels == layer.out_channels && layer.in_height == layer.out_height &&
         layer.in_width == layer.out_width;
}

bool BlockPlace::may_add_input() const {
  return layer.stride == 1 && layer.in_channels == layer.out_channels;
}

ActivationKind BlockPlace::activation() const {
  return stage.has_activation() ? stage.activation() : space.activation();
}

bool holds(proto::When when, Precision precision) {
  switch (when) {
    case proto::NEVER:
      return false;
    case proto::ALWAYS:
      return true;
    case proto::FP32_ONLY:
      return precision == Precision::kFp32;
    case proto::INT8_ONLY:
      return precision == Precision::kInt8;
  }
  return false;
}

int64_t convolved_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
  return (size + 2 * pad - kernel) / stride + 1;
}

int64_t stem_pad(const proto::Stem& stem) { return stem.has_pad() ? stem.pad() : (stem.kernel() - 1) / 2; }

std::optional<Fragment> generate_candidate(const proto::Candidate& candidate, const BlockPlace& place) {
  const bool reads_tokens = place.layer.tokens > 0;
  const auto kind = candidate.kind_case();
  if (reads_tokens && (kind == proto::Candidate::kBlock || kind == proto::Candidate::kConv ||
                       kind == proto::Candidate::kPool)) {
    place.fail("convolutions and pools read maps, and the layers of a space with a sequence read tokens");
  }
  if (!reads_tokens && kind == proto::Candidate::kTransformer) {
    place.fail("a transformer reads tokens, which the layers of a space with a sequence have: sequence { }");
  }
  switch (kind) {
    case proto::Candidate::kBlock:
      return generate_block(candidate.block(), place);
    case proto::Candidate::kSkip:
      return generate_skip(candidate.skip(), place);
    case proto::Candidate::kConv:
      return generate_conv(candidate.conv(), place);
    case proto::Candidate::kPool:
      return generate_pool(candidate.pool(), place);
    case proto::Candidate::kTransformer:
      return generate_transformer(candidate.transformer(), place);
    case proto::Candidate::kOperators:
      return generate_written(candidate.operators(), place);
    case proto::Candidate::KIND_NOT_SET:
      break;
  }
  place.fail("a candidate must be a block, skip, conv, pool, transformer or operators, got none of them");
}

Fragment generate_stem(const proto::Space& space, Precision precision) {
  FragmentBuilder builder(space.input().channels());
  int64_t height = space.input().height();
  int64_t width = space.input().width();
  if (space.has_stem()) {
    const proto::Stem& stem = space.stem();
    const int64_t pad = stem_pad(stem);
    const ActivationKind activation = stem.has_activation() ? stem.activation() : space.activation();
    builder.conv("stem", {.out_channels = stem.channels(),
                          .kernel = {stem.kernel(), stem.kernel()},
                          .stride = stem.stride(),
                          .pad = {pad, pad},
                          .activation = holds(stem.relu(), precision) ? activation : proto::Activation::NONE,
                          .batch_norm = stem.batch_norm()});
    height = convolved_size(height, stem.kernel(), stem.stride(), pad);
    width = convolved_size(width, stem.kernel(), stem.stride(), pad);
  }
  if (space.has_sequence()) write_tokens(builder, space.sequence(), height, width);
  return builder.finish();
}

Fragment generate_head(const proto::Space& space, int64_t channels, Precision precision) {
  const proto::Head& head = space.head();
  FragmentBuilder builder(channels);
  if (space.has_sequence()) {
    builder.layer_norm("head_norm");
  } else if (head.has_channels()) {
    const ActivationKind activation = head.has_activation() ? head.activation() : space.activation();
    builder.conv("head",
                 {.out_channels = head.channels(),
                  .activation = holds(head.relu(), precision) ? activation : proto::Activation::NONE});
  }
  return builder.finish();
}

Fragment generate_classifier(const proto::Space& space, int64_t channels) {
  const bool reads_tokens = space.has_sequence();
  const proto::Head& head = space.head();
  FragmentBuilder builder(head.has_channels() && !reads_tokens ? head.channels() : channels);
  if (!reads_tokens) {
    builder.average_pool("pool");
  } else if (space.sequence().class_token()) {
    builder.simple("Slice", {}, {integers("starts", {0, 0, 0}), integers("ends", {-1, 1, -1})}, "pool");
  } else {
    builder.simple("ReduceMean", {}, {integers("axes", {1}), Argument::of_int("keepdims", 0)}, "pool");
  }
  write_classes(builder, space);
  return builder.finish();
}

}  // namespace latgrad::search::internal
