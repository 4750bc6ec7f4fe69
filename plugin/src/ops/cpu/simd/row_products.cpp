#include "ops/cpu/simd/row_products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/row_products.cpp"
#include "ops/cpu/simd/targets.h"
// After targets.h, once for each target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace latgrad::ops::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
HWY_INLINE T dot(const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, int64_t size) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // Four sums, as an addition waits for the one before it.
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    sum0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum0);
    sum1 = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), sum1);
    sum2 = hn::MulAdd(hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes), sum2);
    sum3 = hn::MulAdd(hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= size; i += lanes) sum0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum0);
  T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  for (; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

template <typename T>
void row_dots_impl(const T* rows, const FlatTable<T>& table, int64_t batch, T* latency_us) {
  for (int64_t n = 0; n < batch; ++n, rows += table.entries) {
    for (int64_t device = 0; device < table.devices; ++device) {
      *latency_us++ = dot(rows, table.table_us + device * table.entries, table.entries);
    }
  }
}

template <typename T>
void row_gradients_impl(const T* grad, const FlatTable<T>& table, int64_t batch, T* rows) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto [us, devices, entries] = table;
  for (int64_t n = 0; n < batch; ++n, rows += entries, grad += devices) {
    int64_t i = 0;
    for (; i + lanes <= entries; i += lanes) {
      auto sum = hn::Mul(hn::Set(d, grad[0]), hn::LoadU(d, us + i));
      for (int64_t device = 1; device < devices; ++device) {
        sum = hn::MulAdd(hn::Set(d, grad[device]), hn::LoadU(d, us + device * entries + i), sum);
      }
      hn::StoreU(sum, d, rows + i);
    }
    for (; i < entries; ++i) {
      T sum = 0;
      for (int64_t device = 0; device < devices; ++device) sum += grad[device] * us[device * entries + i];
      rows[i] = sum;
    }
  }
}

// Functions that a target can export.
#define LATGRAD_ROW_PRODUCTS(T, Suffix)                                                          \
  void RowDots##Suffix(const T* rows, const FlatTable<T>& table, int64_t batch, T* latency_us) { \
    row_dots_impl<T>(rows, table, batch, latency_us);                                            \
  }                                                                                              \
  void RowGradients##Suffix(const T* grad, const FlatTable<T>& table, int64_t batch, T* rows) {  \
    row_gradients_impl<T>(grad, table, batch, rows);                                             \
  }
LATGRAD_ROW_PRODUCTS(float, F32)
LATGRAD_ROW_PRODUCTS(double, F64)
#undef LATGRAD_ROW_PRODUCTS

}  // namespace HWY_NAMESPACE
}  // namespace latgrad::ops::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace latgrad::ops::simd {

#define LATGRAD_DISPATCH(T, Suffix)                                                       \
  HWY_EXPORT(RowDots##Suffix);                                                            \
  HWY_EXPORT(RowGradients##Suffix);                                                       \
  template <>                                                                             \
  void row_dots(const T* rows, const FlatTable<T>& table, int64_t batch, T* latency_us) { \
    HWY_DYNAMIC_DISPATCH(RowDots##Suffix)(rows, table, batch, latency_us);                \
  }                                                                                       \
  template <>                                                                             \
  void row_gradients(const T* grad, const FlatTable<T>& table, int64_t batch, T* rows) {  \
    HWY_DYNAMIC_DISPATCH(RowGradients##Suffix)(grad, table, batch, rows);                 \
  }
LATGRAD_DISPATCH(float, F32)
LATGRAD_DISPATCH(double, F64)
#undef LATGRAD_DISPATCH

}  // namespace latgrad::ops::simd
#endif
