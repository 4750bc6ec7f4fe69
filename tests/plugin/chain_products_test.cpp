#include "ops/cpu/simd/chain_products.h"

#include <gmock/gmock.h>

#include <vector>

#include "plugin/every_target.h"

namespace latgrad::ops::simd {
namespace {

using ChainProductsTest = EveryTarget;

template <typename T>
std::vector<T> some_values(int64_t size, int64_t seed) {
  std::vector<T> values(size);
  for (int64_t i = 0; i < size; ++i) values[i] = static_cast<T>((i * 37 + seed * 11) % 101) / 7 + 1;
  return values;
}

// What chain_products and chain_gradients give for one element and one device, in double.
struct Twin {
  double latency_us = 0;
  std::vector<double> gradients;
};

template <typename T>
Twin obvious(const T* probs, const T* us, int64_t layers, int64_t candidates) {
  Twin twin{.gradients = std::vector<double>(layers * candidates)};
  for (int64_t l = 0; l < layers; ++l) {
    for (int64_t i = 0; i < (l == 0 ? 1 : candidates); ++i) {
      for (int64_t j = 0; j < candidates; ++j) {
        const double price = us[(l * candidates + i) * candidates + j];
        const double before = l == 0 ? 1 : probs[(l - 1) * candidates + i];
        const double here = probs[l * candidates + j];
        twin.latency_us += before * here * price;
        twin.gradients[l * candidates + j] += before * price;
        if (l > 0) twin.gradients[(l - 1) * candidates + i] += here * price;
      }
    }
  }
  return twin;
}

template <typename T>
void check(int64_t batch, int64_t devices, int64_t layers, int64_t candidates) {
  SCOPED_TRACE(::testing::Message() << batch << " x " << devices << " x " << layers << " x " << candidates);
  const int64_t entries = layers * candidates;
  const auto probs = some_values<T>(batch * entries, 1);
  const auto us = some_values<T>(devices * entries * candidates, 2);
  const auto grad = some_values<T>(batch * devices, 3);
  const ChainTable<T> table{
      .table_us = us.data(), .devices = devices, .layers = layers, .candidates = candidates};
  std::vector<T> latency_us(batch * devices + 1, -1);
  std::vector<T> gradients(batch * entries + 1, -1);
  chain_products(probs.data(), table, batch, latency_us.data());
  chain_gradients(grad.data(), probs.data(), table, batch, gradients.data());
  const double tolerance = sizeof(T) == 4 ? 4e-6 : 4e-15;
  for (int64_t n = 0; n < batch; ++n) {
    std::vector<double> sums(entries);
    for (int64_t d = 0; d < devices; ++d) {
      const Twin twin =
          obvious(probs.data() + n * entries, us.data() + d * entries * candidates, layers, candidates);
      ASSERT_NEAR(latency_us[n * devices + d], twin.latency_us, tolerance * twin.latency_us);
      for (int64_t e = 0; e < entries; ++e) sums[e] += grad[n * devices + d] * twin.gradients[e];
    }
    for (int64_t e = 0; e < entries; ++e)
      ASSERT_NEAR(gradients[n * entries + e], sums[e], tolerance * sums[e]);
  }
  // Nothing is written behind the end.
  EXPECT_EQ(latency_us.back(), -1);
  EXPECT_EQ(gradients.back(), -1);
}

TEST_P(ChainProductsTest, AreTheSumsOfTheProducts) {
  for (const int64_t batch : {0, 1, 3, 16, 19}) {
    for (const int64_t devices : {1, 3}) {
      for (const int64_t layers : {1, 2, 5}) {
        for (const int64_t candidates : {1, 2, 4, 9}) {
          check<float>(batch, devices, layers, candidates);
          check<double>(batch, devices, layers, candidates);
        }
      }
    }
  }
}

LATGRAD_ON_EVERY_TARGET(ChainProductsTest);

}  // namespace
}  // namespace latgrad::ops::simd
