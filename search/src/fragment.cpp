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
  return internal::generate_block(impl.file, impl.file.candidate(impl.candidates[layer][candidate]),
                                  impl.layers[layer], precision, impl.source, "")
      .value();
}

Fragment head_fragment(const Space& space, Precision precision) {
  return internal::generate_head(space.impl().file.head(), space.layers().back(), precision);
}

Fragment classifier_fragment(const Space& space) {
  return internal::generate_classifier(space.impl().file.head(), space.layers().back());
}

}  // namespace latgrad::search
