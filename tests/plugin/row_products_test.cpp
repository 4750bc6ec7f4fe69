#include "ops/cpu/simd/row_products.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "plugin/every_target.h"

namespace latgrad::ops::simd {
namespace {

using RowProductsTest = EveryTarget;

template <typename T>
std::vector<T> some_values(int64_t size, int64_t seed) {
  std::vector<T> values(size);
  for (int64_t i = 0; i < size; ++i) values[i] = static_cast<T>((i * 37 + seed * 11) % 101) / 7 + 1;
  return values;
}

template <typename T>
void check(int64_t batch, int64_t devices, int64_t entries) {
  SCOPED_TRACE(::testing::Message() << batch << " x " << devices << " x " << entries);
  const auto rows = some_values<T>(batch * entries, 1);
  const auto us = some_values<T>(devices * entries, 2);
  const auto grad = some_values<T>(batch * devices, 3);
  const FlatTable<T> table{.table_us = us.data(), .devices = devices, .entries = entries};
  std::vector<T> latency_us(batch * devices + 1, -1);
  std::vector<T> gradients(batch * entries + 1, -1);
  row_dots(rows.data(), table, batch, latency_us.data());
  row_gradients(grad.data(), table, batch, gradients.data());
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-15;
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t d = 0; d < devices; ++d) {
      double sum = 0;
      for (int64_t e = 0; e < entries; ++e)
        sum += static_cast<double>(rows[n * entries + e]) * us[d * entries + e];
      ASSERT_NEAR(latency_us[n * devices + d], sum, 4 * tolerance * sum);
    }
    for (int64_t e = 0; e < entries; ++e) {
      double sum = 0;
      for (int64_t d = 0; d < devices; ++d)
        sum += static_cast<double>(grad[n * devices + d]) * us[d * entries + e];
      ASSERT_NEAR(gradients[n * entries + e], sum, 4 * tolerance * sum);
    }
  }
  // Nothing is written behind the end.
  EXPECT_EQ(latency_us.back(), -1);
  EXPECT_EQ(gradients.back(), -1);
}

TEST_P(RowProductsTest, AreTheSumsOfTheProducts) {
  for (const int64_t batch : {0, 1, 3}) {
    for (const int64_t devices : {1, 2, 5}) {
      for (const int64_t entries : {1, 7, 16, 63, 64, 65, 198}) {
        check<float>(batch, devices, entries);
        check<double>(batch, devices, entries);
      }
    }
  }
}

LATGRAD_ON_EVERY_TARGET(RowProductsTest);

}  // namespace
}  // namespace latgrad::ops::simd
