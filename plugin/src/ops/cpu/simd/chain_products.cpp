#include "ops/cpu/simd/chain_products.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/chain_products.cpp"
#include "ops/cpu/simd/targets.h"
// After targets.h, once for each target.
#include <hwy/highway.h>

#include "ops/cpu/simd/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace latgrad::ops::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
using Vec = hn::Vec<Lanes<T>>;

template <typename T>
constexpr int64_t kLanes = hn::MaxLanes(Lanes<T>());

// C x C latencies of a layer, or these transposed.
template <typename T>
struct Matrix {
  const T* us;
  int64_t row_step;
  int64_t column_step;
  int64_t size;
};

// Rows that are worked on at once, as an addition waits for the one before it.
constexpr int64_t kRowsAtOnce = 4;

// products[r] = sum over c of matrix[first + r, c] * x[c].
template <int64_t kRows, typename T>
HWY_INLINE void multiply(const Matrix<T>& matrix, int64_t first, const T* HWY_RESTRICT x,
                         Vec<T> (&products)[kRows]) {
  const Lanes<T> d;
  const T* HWY_RESTRICT us = matrix.us + first * matrix.row_step;
  for (auto& product : products) product = hn::Zero(d);
  for (int64_t c = 0; c < matrix.size; ++c, us += matrix.column_step) {
    const auto weight = hn::Load(d, x + c * kLanes<T>);
    for (int64_t r = 0; r < kRows; ++r) {
      products[r] = hn::MulAdd(weight, hn::Set(d, us[r * matrix.row_step]), products[r]);
    }
  }
}

template <int64_t kRows, typename T>
HWY_INLINE Vec<T> add_rows(const T* HWY_RESTRICT y, const Matrix<T>& matrix, int64_t first,
                           const T* HWY_RESTRICT x, Vec<T> sum) {
  const Lanes<T> d;
  Vec<T> products[kRows];
  multiply(matrix, first, x, products);
  for (int64_t r = 0; r < kRows; ++r) {
    sum = hn::MulAdd(hn::Load(d, y + (first + r) * kLanes<T>), products[r], sum);
  }
  return sum;
}

// sum + y * matrix * x.
template <typename T>
HWY_INLINE Vec<T> add_form(const T* HWY_RESTRICT y, const Matrix<T>& matrix, const T* HWY_RESTRICT x,
                           Vec<T> sum) {
  int64_t row = 0;
  for (; row + kRowsAtOnce <= matrix.size; row += kRowsAtOnce) {
    sum = add_rows<kRowsAtOnce>(y, matrix, row, x, sum);
  }
  for (; row < matrix.size; ++row) sum = add_rows<1>(y, matrix, row, x, sum);
  return sum;
}

template <int64_t kRows, typename T>
HWY_INLINE void add_gradients_of_rows(Vec<T> scale, const Matrix<T>& matrix, int64_t first,
                                      const T* HWY_RESTRICT x, T* HWY_RESTRICT y) {
  const Lanes<T> d;
  Vec<T> products[kRows];
  multiply(matrix, first, x, products);
  for (int64_t r = 0; r < kRows; ++r) {
    T* to = y + (first + r) * kLanes<T>;
    hn::Store(hn::MulAdd(scale, products[r], hn::Load(d, to)), d, to);
  }
}

// y += scale * matrix * x.
template <typename T>
HWY_INLINE void add_gradients(Vec<T> scale, const Matrix<T>& matrix, const T* HWY_RESTRICT x,
                              T* HWY_RESTRICT y) {
  int64_t row = 0;
  for (; row + kRowsAtOnce <= matrix.size; row += kRowsAtOnce) {
    add_gradients_of_rows<kRowsAtOnce>(scale, matrix, row, x, y);
  }
  for (; row < matrix.size; ++row) add_gradients_of_rows<1>(scale, matrix, row, x, y);
}

// Tiles of whole elements. The last one may lack elements: they are 0, and are not stored.
template <typename T>
class Elements {
 public:
  Elements(int64_t batch, int64_t values)
      : batch_(batch), values_(values), staging_(allocate<T>(values * kLanes<T>)) {}

  int64_t count(int64_t first) const { return std::min(kLanes<T>, batch_ - first); }

  void load(const T* array, int64_t first, T* HWY_RESTRICT tile) {
    const T* rows = array + first * values_;
    if (count(first) < kLanes<T>) {
      const int64_t present = count(first) * values_;
      std::copy_n(rows, present, staging_.get());
      std::fill(staging_.get() + present, staging_.get() + kLanes<T> * values_, T(0));
      rows = staging_.get();
    }
    load_tile(Lanes<T>(), rows, values_, tile);
  }

  void store(const T* HWY_RESTRICT tile, int64_t first, T* array) {
    T* rows = array + first * values_;
    if (count(first) == kLanes<T>) {
      store_tile(Lanes<T>(), tile, values_, rows);
    } else {
      store_tile(Lanes<T>(), tile, values_, staging_.get());
      std::copy_n(staging_.get(), count(first) * values_, rows);
    }
  }

 private:
  int64_t batch_;
  int64_t values_;
  hwy::AlignedFreeUniquePtr<T[]> staging_;
};

template <typename T>
void chain_products_impl(const T* probs, const ChainTable<T>& table, int64_t batch, T* latency_us) {
  const Lanes<T> d;
  const auto [table_us, devices, layers, candidates] = table;
  const int64_t row = candidates * kLanes<T>;
  Elements<T> elements(batch, layers * candidates);
  const auto tile = allocate<T>(layers * row);
  HWY_ALIGN T sums[kLanes<T>];
  for (int64_t n = 0; n < batch; n += kLanes<T>) {
    elements.load(probs, n, tile.get());
    const T* us = table_us;
    for (int64_t device = 0; device < devices; ++device) {
      auto sum = hn::Zero(d);
      for (int64_t c = 0; c < candidates; ++c) {
        sum = hn::MulAdd(hn::Load(d, tile.get() + c * kLanes<T>), hn::Set(d, us[c]), sum);
      }
      us += candidates * candidates;
      const T* p = tile.get() + row;
      for (int64_t layer = 1; layer < layers; ++layer, p += row, us += candidates * candidates) {
        sum = add_form(p - row, Matrix<T>{us, candidates, 1, candidates}, p, sum);
      }
      hn::Store(sum, d, sums);
      for (int64_t i = 0; i < elements.count(n); ++i) latency_us[(n + i) * devices + device] = sums[i];
    }
  }
}

template <typename T>
void chain_gradients_impl(const T* grad, const T* probs, const ChainTable<T>& table, int64_t batch,
                          T* grad_probs) {
  const Lanes<T> d;
  const auto [table_us, devices, layers, candidates] = table;
  const int64_t row = candidates * kLanes<T>;
  Elements<T> elements(batch, layers * candidates);
  const auto tile = allocate<T>(layers * row);
  const auto gradients = allocate<T>(layers * row);
  HWY_ALIGN T scales[kLanes<T>] = {};
  for (int64_t n = 0; n < batch; n += kLanes<T>) {
    elements.load(probs, n, tile.get());
    std::fill_n(gradients.get(), layers * row, T(0));
    const T* us = table_us;
    for (int64_t device = 0; device < devices; ++device) {
      for (int64_t i = 0; i < elements.count(n); ++i) scales[i] = grad[(n + i) * devices + device];
      const auto scale = hn::Load(d, scales);
      for (int64_t c = 0; c < candidates; ++c) {
        T* to = gradients.get() + c * kLanes<T>;
        hn::Store(hn::MulAdd(scale, hn::Set(d, us[c]), hn::Load(d, to)), d, to);
      }
      us += candidates * candidates;
      const T* p = tile.get() + row;
      T* to = gradients.get() + row;
      for (int64_t layer = 1; layer < layers; ++layer, p += row, to += row, us += candidates * candidates) {
        add_gradients(scale, Matrix<T>{us, candidates, 1, candidates}, p, to - row);
        add_gradients(scale, Matrix<T>{us, 1, candidates, candidates}, p - row, to);
      }
    }
    elements.store(gradients.get(), n, grad_probs);
  }
}

// Functions that a target can export.
#define LATGRAD_CHAIN_PRODUCTS(T, Suffix)                                                                \
  void ChainProducts##Suffix(const T* probs, const ChainTable<T>& table, int64_t batch, T* latency_us) { \
    chain_products_impl<T>(probs, table, batch, latency_us);                                             \
  }                                                                                                      \
  void ChainGradients##Suffix(const T* grad, const T* probs, const ChainTable<T>& table, int64_t batch,  \
                              T* grad_probs) {                                                           \
    chain_gradients_impl<T>(grad, probs, table, batch, grad_probs);                                      \
  }
LATGRAD_CHAIN_PRODUCTS(float, F32)
LATGRAD_CHAIN_PRODUCTS(double, F64)
#undef LATGRAD_CHAIN_PRODUCTS

}  // namespace HWY_NAMESPACE
}  // namespace latgrad::ops::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace latgrad::ops::simd {

#define LATGRAD_DISPATCH(T, Suffix)                                                               \
  HWY_EXPORT(ChainProducts##Suffix);                                                              \
  HWY_EXPORT(ChainGradients##Suffix);                                                             \
  template <>                                                                                     \
  void chain_products(const T* probs, const ChainTable<T>& table, int64_t batch, T* latency_us) { \
    HWY_DYNAMIC_DISPATCH(ChainProducts##Suffix)(probs, table, batch, latency_us);                 \
  }                                                                                               \
  template <>                                                                                     \
  void chain_gradients(const T* grad, const T* probs, const ChainTable<T>& table, int64_t batch,  \
                       T* grad_probs) {                                                           \
    HWY_DYNAMIC_DISPATCH(ChainGradients##Suffix)(grad, probs, table, batch, grad_probs);          \
  }
LATGRAD_DISPATCH(float, F32)
LATGRAD_DISPATCH(double, F64)
#undef LATGRAD_DISPATCH

}  // namespace latgrad::ops::simd
#endif
