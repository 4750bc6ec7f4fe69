// Tiles: `lanes` rows of C values in memory <-> value c of all of them in tile[c * lanes].
//
// Included by the kernels once for each instruction set, after <hwy/highway.h>.

#if defined(LATGRAD_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LATGRAD_TILES_INL_H
#undef LATGRAD_TILES_INL_H
#else
#define LATGRAD_TILES_INL_H
#endif

#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <new>

HWY_BEFORE_NAMESPACE();
namespace latgrad::ops::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
using Lanes = hn::ScalableTag<T>;

// Columns of a window: what a 128-bit block holds.
template <typename T>
constexpr int64_t kWindow = 16 / sizeof(T);

template <typename T>
hwy::AlignedFreeUniquePtr<T[]> allocate(int64_t size) {
  auto memory = hwy::AllocateAligned<T>(static_cast<size_t>(size));
  if (!memory) throw std::bad_alloc();
  return memory;
}

// Blocks of kWindow candidates of every kWindow-th row.
template <class D, typename T = hn::TFromD<D>>
hn::Vec<D> load_blocks(D d, const T* first, int64_t row_size) {
  if constexpr (hn::MaxLanes(d) == kWindow<T>) {
    return hn::LoadU(d, first);
  } else {
    const hn::Half<D> half;
    const auto upper = first + static_cast<int64_t>(hn::MaxLanes(d)) / 2 * row_size;
    return hn::Combine(d, load_blocks(half, upper, row_size), load_blocks(half, first, row_size));
  }
}

template <class D, typename T = hn::TFromD<D>>
void store_blocks(D d, hn::Vec<D> v, T* first, int64_t row_size) {
  if constexpr (hn::MaxLanes(d) == kWindow<T>) {
    hn::StoreU(v, d, first);
  } else {
    const hn::Half<D> half;
    store_blocks(half, hn::LowerHalf(half, v), first, row_size);
    store_blocks(half, hn::UpperHalf(half, v), first + static_cast<int64_t>(hn::MaxLanes(d)) / 2 * row_size,
                 row_size);
  }
}

// Transposes each block of kWindow x kWindow; its own inverse.
template <class D>
void transpose_blocks(D d, hn::Vec<D> (&v)[4], float) {
  const hn::RepartitionToWide<D> dw;
  const auto low01 = hn::BitCast(dw, hn::InterleaveLower(d, v[0], v[1]));
  const auto low23 = hn::BitCast(dw, hn::InterleaveLower(d, v[2], v[3]));
  const auto high01 = hn::BitCast(dw, hn::InterleaveUpper(d, v[0], v[1]));
  const auto high23 = hn::BitCast(dw, hn::InterleaveUpper(d, v[2], v[3]));
  v[0] = hn::BitCast(d, hn::InterleaveLower(dw, low01, low23));
  v[1] = hn::BitCast(d, hn::InterleaveUpper(dw, low01, low23));
  v[2] = hn::BitCast(d, hn::InterleaveLower(dw, high01, high23));
  v[3] = hn::BitCast(d, hn::InterleaveUpper(dw, high01, high23));
}

template <class D>
void transpose_blocks(D d, hn::Vec<D> (&v)[2], double) {
  const auto low = hn::InterleaveLower(d, v[0], v[1]);
  v[1] = hn::InterleaveUpper(d, v[0], v[1]);
  v[0] = low;
}

template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void load_tile(D d, const T* rows, int64_t candidates, T* HWY_RESTRICT tile) {
  constexpr int64_t kColumns = kWindow<T>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  if (candidates < kColumns) {
    for (int64_t row = 0; row < lanes; ++row) {
      for (int64_t c = 0; c < candidates; ++c) tile[c * lanes + row] = rows[row * candidates + c];
    }
    return;
  }
  for (int64_t c = 0; c < candidates; c += kColumns) {
    c = std::min(c, candidates - kColumns);  // the last window overlaps the one before
    hn::Vec<D> v[kColumns];
    for (int64_t i = 0; i < kColumns; ++i) v[i] = load_blocks(d, rows + i * candidates + c, candidates);
    transpose_blocks(d, v, T());
    for (int64_t i = 0; i < kColumns; ++i) hn::Store(v[i], d, tile + (c + i) * lanes);
  }
}

template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void store_tile(D d, const T* HWY_RESTRICT tile, int64_t candidates, T* rows) {
  constexpr int64_t kColumns = kWindow<T>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  if (candidates < kColumns) {
    for (int64_t row = 0; row < lanes; ++row) {
      for (int64_t c = 0; c < candidates; ++c) rows[row * candidates + c] = tile[c * lanes + row];
    }
    return;
  }
  for (int64_t c = 0; c < candidates; c += kColumns) {
    c = std::min(c, candidates - kColumns);
    hn::Vec<D> v[kColumns];
    for (int64_t i = 0; i < kColumns; ++i) v[i] = hn::Load(d, tile + (c + i) * lanes);
    transpose_blocks(d, v, T());
    for (int64_t i = 0; i < kColumns; ++i) store_blocks(d, v[i], rows + i * candidates + c, candidates);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace latgrad::ops::simd
HWY_AFTER_NAMESPACE();

#endif
