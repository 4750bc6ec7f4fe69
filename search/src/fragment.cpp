#include "latgrad/search/fragment.h"

#include "architecture.h"
#include "space_fragments.h"
#include "space_impl.h"

namespace latgrad::search {

Fragment stem_fragment(const Space& space, Precision precision) {
  return internal::generate_stem(space.impl().file, precision);
}

Fragment block_fragment(const Space& space, size_t layer, size_t candidate, Precision precision) {
  const internal::SpaceImpl& impl = space.impl();
  internal::check_offered(impl, layer, candidate);
  const internal::BlockPlace place{.space = impl.file,
                                   .stage = impl.file.stage(impl.stages[layer]),
                                   .layer = impl.layers[layer],
                                   .precision = precision,
                                   .source = impl.source,
                                   .field = {}};
  return internal::generate_candidate(impl.file.candidate(impl.candidates[layer][candidate]), place).value();
}

Fragment head_fragment(const Space& space, Precision precision) {
  return internal::generate_head(space.impl().file, space.layers().back(), precision);
}

Fragment classifier_fragment(const Space& space) {
  return internal::generate_classifier(space.impl().file, space.layers().back());
}

}  // namespace latgrad::search
