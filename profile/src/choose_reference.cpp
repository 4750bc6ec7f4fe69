#include "latgrad/profile/choose_reference.h"

#include <optional>
#include <utility>

#include "latgrad/profile/provenance.h"

namespace latgrad::profile {

std::vector<Reference> choose_references(const std::filesystem::path& lut,
                                         std::span<const search::Space> spaces,
                                         std::span<const search::Precision> precisions,
                                         std::span<const NamedNet> nets) {
  if (!lut.empty()) {
    if (std::optional<Reference> known = read_reference(lut)) return {std::move(*known)};
  }
  std::vector<Reference> references;
  for (const search::Space& space : spaces) {
    for (const search::Precision precision : precisions) {
      references.push_back(space_reference(space, precision));
    }
  }
  for (const NamedNet& net : nets) references.push_back(net_reference(net.name, net.net));
  return typical_first(std::move(references));
}

}  // namespace latgrad::profile
