// A search space: layers, and the candidate blocks that each layer chooses from.
//
//   Space space = Space::load("data/spaces/fbnet.textproto");
//   Architecture arch = space.parse_architecture("FBNet-A");     // a name of the file, digits or block names
//   net::Net net = lower(space, arch, Precision::kInt8);         // lowering.h
//
// Spaces are data: a protobuf text file (docs/space-format.md); a new space needs no C++.
// Immutable after load: any number of threads may read it. Code counts layers from 0, texts and messages
// from 1. Loading is linear in layers times candidates.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "latgrad/net/tensor_info.h"

namespace latgrad::search {

// One candidate index per layer.
using Architecture = std::vector<int>;

enum class Precision { kInt8, kFp32 };
// Errors: ValueError for anything but "int8", "fp32".
Precision parse_precision(std::string_view text);
std::string_view to_string(Precision precision);

// The resolved plan of one layer. Its shapes do not depend on the choices in other layers, but for the
// channels that it reads in a chain.
struct LayerInfo {
  int64_t in_channels = 0;   // in a chain, the most
  int64_t out_channels = 0;  // in a chain, the most
  int64_t in_height = 0;
  int64_t in_width = 0;
  int64_t out_height = 0;
  int64_t out_width = 0;
  int64_t stride = 1;
  int64_t tokens = 0;  // of [batch, tokens, channels], what a space with a sequence has; 0: maps
  std::vector<std::string> candidates;  // names, in the order of the indices
  std::vector<bool> offered;            // a candidate can be listed and yet not be offered in this layer
  std::vector<int64_t> channels;        // that the layer writes with each candidate

  // Without the batch: [channels, height, width], or [tokens, channels].
  net::Shape in_shape() const;
  net::Shape out_shape() const;
};

namespace internal {
struct SpaceImpl;  // the parsed file; space_impl.h inside src/
}

class Space {
 public:
  // `path` is a file; a space may extend another one by `base`, relative to its own folder.
  // Errors: IoError; ParseError with file and line; ValueError naming the field for a space that
  // contradicts itself (unknown candidate, no layer, channels that groups do not divide, ...).
  static Space load(const std::filesystem::path& path);
  // The same from memory; a text cannot extend a file. `source` is named in errors.
  static Space parse(std::string_view text, const std::string& source);

  const std::string& name() const;
  const std::vector<LayerInfo>& layers() const;
  size_t max_candidates() const;  // over all layers
  // Whether candidates have channels of their own, so that a layer reads as many as the layer before chose.
  bool is_chain() const;
  // Whether a candidate may follow one of the layer before; the first layer has one predecessor, 0. In a
  // space that is no chain, whether both are offered. Precondition: all are in range.
  bool fits(size_t layer, size_t predecessor, size_t candidate) const;
  net::Shape input_shape() const;  // NCHW
  // The named architectures of the file, in file order.
  const std::vector<std::pair<std::string, Architecture>>& architectures() const;
  // The space as one text file without `base`: parse(text()) gives the same space.
  std::string text() const;

  // A name from the file; one digit per layer if no layer has more than ten candidates; or block names or
  // indices separated by commas or white space.
  // Errors: ValueError that names the layer and its candidates.
  Architecture parse_architecture(std::string_view text) const;
  // Block names separated by a space.
  std::string format_architecture(const Architecture& arch) const;
  // Errors: ValueError for a wrong length, an index out of range, a candidate that is not offered, or that
  // does not fit behind that of the layer before.
  void check(const Architecture& arch) const;

  const internal::SpaceImpl& impl() const { return *impl_; }

 private:
  explicit Space(std::shared_ptr<const internal::SpaceImpl> impl);

  std::shared_ptr<const internal::SpaceImpl> impl_;
};

// For what is additive over layers and candidates, as a chain is not. `what` is the subject of the message.
// Errors: ValueError for a chain.
void refuse_chain(const Space& space, std::string_view what);

}  // namespace latgrad::search
