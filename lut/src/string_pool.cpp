#include "string_pool.h"

#include <array>
#include <cstring>

namespace latgrad::lut {

namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using uint128 = unsigned __int128;
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kOdd1 = 0xa0761d6478bd642f;
  constexpr uint64_t kOdd2 = 0xe7037ed1a0b428db;
  uint64_t hash = seed ^ kOdd1;
  std::array<uint64_t, 2> words;
  size_t left = bytes.size();
  const char* at = bytes.data();
  for (; left > sizeof words; left -= sizeof words, at += sizeof words) {
    std::memcpy(words.data(), at, sizeof words);
    hash = mix(words[0] ^ kOdd2, words[1] ^ hash);
  }
  words = {0, 0};
  if (left > 0) std::memcpy(words.data(), at, left);
  hash = mix(words[0] ^ kOdd2, words[1] ^ hash);
  return mix(hash ^ bytes.size(), kOdd1);
}

size_t StringPool::slot_of(std::string_view bytes, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t i = hash & mask;
  while (slots_[i].id_plus_one != 0 &&
         (slots_[i].tag != tag || (*this)[slots_[i].id_plus_one - 1] != bytes)) {
    i = (i + 1) & mask;
  }
  return i;
}

std::optional<uint32_t> StringPool::find(std::string_view bytes) const {
  const Slot& slot = slots_[slot_of(bytes, hash_bytes(bytes))];
  if (slot.id_plus_one == 0) return std::nullopt;
  return slot.id_plus_one - 1;
}

uint32_t StringPool::intern(std::string_view bytes) {
  const uint64_t hash = hash_bytes(bytes);
  Slot& found = slots_[slot_of(bytes, hash)];
  if (found.id_plus_one != 0) return found.id_plus_one - 1;
  const auto id = static_cast<uint32_t>(size());
  found = {static_cast<uint32_t>(hash >> 32), id + 1};
  bytes_.append(bytes);
  starts_.push_back(bytes_.size());
  if (2 * size() > slots_.size()) grow();
  return id;
}

void StringPool::grow() {
  slots_.assign(2 * slots_.size(), Slot{});
  for (uint32_t id = 0; id < size(); ++id) {
    const uint64_t hash = hash_bytes((*this)[id]);
    slots_[slot_of((*this)[id], hash)] = {static_cast<uint32_t>(hash >> 32), id + 1};
  }
}

}  // namespace latgrad::lut
