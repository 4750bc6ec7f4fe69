// The fields of a space file as generators of fragments.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fragment_builder.h"
#include "latgrad/search/fragment.h"
#include "latgrad/search/space.h"
#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

// The size of a map behind a convolution. Precondition: the kernel fits into the padded map.
int64_t convolved_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad);

// What of a stem is absent from the file: the padding that keeps the map where the stride is 1.
int64_t stem_pad(const proto::Stem& stem);

// Where a candidate stands: of the layer the channels, sizes, tokens and stride are read.
struct BlockPlace {
  const proto::Space& space;
  const proto::Stage& stage;
  const LayerInfo& layer;
  Precision precision;
  std::string source;
  std::string field;
  // In a chain, what does not go with the channels of the layer before is not offered behind them, and no
  // error.
  bool is_chain;

  [[noreturn]] void fail(const std::string& message) const;
  bool keeps_shape() const;
  // Whether the block ends in the sum with its input, if it asks for it.
  bool may_add_input() const;
  // What follows convolutions, unless the block says another.
  ActivationKind activation() const;
};

// Each generator gives nothing where the layer does not offer the candidate.
// Errors: ValueError for a candidate that the layer cannot have, naming the field.
std::optional<Fragment> generate_candidate(const proto::Candidate& candidate, const BlockPlace& place);

// conv_blocks.cpp
std::optional<Fragment> generate_block(const proto::Block& block, const BlockPlace& place);
std::optional<Fragment> generate_conv(const proto::Conv& conv, const BlockPlace& place);
std::optional<Fragment> generate_pool(const proto::Pool& pool, const BlockPlace& place);
std::optional<Fragment> generate_skip(const proto::Skip& skip, const BlockPlace& place);
// transformer_block.cpp
std::optional<Fragment> generate_transformer(const proto::Transformer& transformer, const BlockPlace& place);
// written_block.cpp
std::optional<Fragment> generate_written(const proto::Operators& operators, const BlockPlace& place);

bool holds(proto::When when, Precision precision);

Fragment generate_stem(const proto::Space& space, Precision precision);
// The convolution behind the last layer, which writes so many channels; of tokens the norm.
Fragment generate_head(const proto::Space& space, int64_t channels, Precision precision);
Fragment generate_classifier(const proto::Space& space, int64_t channels);

}  // namespace latgrad::search::internal
