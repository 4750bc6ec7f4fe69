#include "latgrad/search/fragment.h"

#include "architecture.h"
#include "space_fragments.h"
#include "space_impl.h"

namespace latgrad::search {

Fragment stem_fragment(const Space& space, Precision precision) {
  return internal::generate_stem(space.impl().file, precision);
}

Fragment block_fragment(const Space& space, size_t layer, size_t candidate, Precision precision,
                        size_t predecessor) {
  const internal::SpaceImpl& impl = space.impl();
  internal::check_pair(impl, layer, predecessor, candidate);
  const LayerInfo info = internal::layer_behind(impl, layer, predecessor, candidate);
  const internal::BlockPlace place{.space = impl.file,
                                   .stage = impl.file.stage(impl.stages[layer]),
                                   .layer = info,
                                   .precision = precision,
                                   .source = impl.source,
                                   .field = {},
                                   .is_chain = impl.is_chain};
  return internal::generate_candidate(impl.file.candidate(impl.candidates[layer][candidate]), place).value();
}

Fragment head_fragment(const Space& space, Precision precision, size_t last) {
  return internal::generate_head(space.impl().file, internal::last_channels(space.impl(), last), precision);
}

Fragment classifier_fragment(const Space& space, size_t last) {
  return internal::generate_classifier(space.impl().file, internal::last_channels(space.impl(), last));
}

}  // namespace latgrad::search
