// Groups equal records and finds a group by hash.
//
//   RecordIndex index(hashes, [&](uint32_t a, uint32_t b) { return key(a) == key(b); });
//   auto group = index.find(hash, [&](uint32_t record) { return key(record) == wanted; });
//   index.records(*group);     // in file order
//
// Building is O(records), finding O(1). Frozen once built.

#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace latgrad::lut {

class RecordIndex {
 public:
  RecordIndex() : RecordIndex({}, [](uint32_t, uint32_t) { return false; }) {}

  // `hashes` is one per record; `same(a, b)` tells whether two records belong together.
  // Precondition: fewer than 2^31 records; records that are the same have the same hash.
  template <typename Same>
  RecordIndex(std::span<const uint64_t> hashes, Same same) {
    slots_.resize(std::bit_ceil(2 * hashes.size() + 2));
    std::vector<uint32_t> first_of_group;
    std::vector<uint32_t> group_of(hashes.size());
    for (uint32_t record = 0; record < hashes.size(); ++record) {
      Slot& slot = slots_[slot_of(hashes[record],
                                  [&](uint32_t group) { return same(first_of_group[group], record); })];
      if (slot.group_plus_one == 0) {
        first_of_group.push_back(record);
        slot = {tag_of(hashes[record]), static_cast<uint32_t>(first_of_group.size())};
      }
      group_of[record] = slot.group_plus_one - 1;
    }
    begins_.assign(first_of_group.size() + 1, 0);
    for (const uint32_t group : group_of) ++begins_[group + 1];
    for (size_t group = 0; group < first_of_group.size(); ++group) begins_[group + 1] += begins_[group];
    order_.resize(hashes.size());
    std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
    for (uint32_t record = 0; record < hashes.size(); ++record) order_[next[group_of[record]]++] = record;
  }

  // `matches(record)` tells whether a record of a group is the one looked for.
  template <typename Matches>
  std::optional<uint32_t> find(uint64_t hash, Matches matches) const {
    const Slot& slot = slots_[slot_of(hash, [&](uint32_t group) { return matches(order_[begins_[group]]); })];
    if (slot.group_plus_one == 0) return std::nullopt;
    return slot.group_plus_one - 1;
  }

  uint32_t num_groups() const { return static_cast<uint32_t>(begins_.size() - 1); }
  std::span<const uint32_t> records(uint32_t group) const {
    return std::span(order_).subspan(begins_[group], begins_[group + 1] - begins_[group]);
  }

 private:
  struct Slot {
    uint32_t tag = 0;  // spares most comparisons of unequal records
    uint32_t group_plus_one = 0;
  };

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

  // The slot of the group that `is_it` accepts, or the free one where it belongs.
  template <typename IsIt>
  size_t slot_of(uint64_t hash, IsIt is_it) const {
    const size_t mask = slots_.size() - 1;
    size_t i = hash & mask;
    while (slots_[i].group_plus_one != 0 &&
           (slots_[i].tag != tag_of(hash) || !is_it(slots_[i].group_plus_one - 1))) {
      i = (i + 1) & mask;
    }
    return i;
  }

  std::vector<Slot> slots_;       // a power of two, less than half full
  std::vector<uint32_t> begins_;  // of each group in order_, and the end
  std::vector<uint32_t> order_;   // record numbers, group by group
};

}  // namespace latgrad::lut
