// Distinct byte strings, numbered from 0 in the order of their arrival.
//
//   StringPool pool;
//   uint32_t id = pool.intern("Conv");     // 0; interning it again gives 0 again
//   pool.find("Relu");                     // nothing
//   pool[id];                              // "Conv"
//
// intern and find take O(length). Reading is thread-safe, interning is not.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latgrad::lut {

uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0);

class StringPool {
 public:
  uint32_t intern(std::string_view bytes);
  std::optional<uint32_t> find(std::string_view bytes) const;
  std::string_view operator[](uint32_t id) const {
    return std::string_view(bytes_).substr(starts_[id], starts_[id + 1] - starts_[id]);
  }
  size_t size() const { return starts_.size() - 1; }

 private:
  struct Slot {
    uint32_t tag = 0;  // the upper half of the hash: spares most comparisons of unequal strings
    uint32_t id_plus_one = 0;
  };
  // The slot that holds the string, or the free one where it belongs.
  size_t slot_of(std::string_view bytes, uint64_t hash) const;
  void grow();

  std::string bytes_;
  std::vector<size_t> starts_ = {0};
  std::vector<Slot> slots_ = std::vector<Slot>(16);  // a power of two, at most half full
};

}  // namespace latgrad::lut
