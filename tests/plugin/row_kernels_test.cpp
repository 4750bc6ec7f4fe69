// The vector kernels on every instruction set that this machine has, each against plain loops in float64.

#include "ops/cpu/simd/row_kernels.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "plugin/every_target.h"

namespace latgrad::ops::simd {
namespace {

struct Case {
  int64_t batch;
  int64_t devices;
  int64_t layers;
  int64_t candidates;
  bool masked;
};

const std::vector<Case> kCases = {{1, 1, 1, 1, false},   {1, 1, 22, 9, false},  {3, 2, 22, 9, true},
                                  {70, 1, 22, 9, false}, {70, 3, 22, 9, true},  {5, 1, 7, 3, true},
                                  {40, 1, 3, 4, false},  {40, 1, 16, 5, true},  {9, 1, 1, 100, false},
                                  {2, 1, 2, 1000, true}, {300, 1, 2, 2, false}, {0, 1, 3, 4, false}};

template <typename T>
struct Data {
  explicit Data(const Case& c) {
    std::mt19937 random(7);
    std::normal_distribution<T> normal;
    std::uniform_real_distribution<T> positive(1, 100);
    const auto fill = [&](int64_t size, auto& distribution) {
      std::vector<T> values(size);
      for (T& value : values) value = distribution(random);
      return values;
    };
    logits = fill(c.batch * c.layers * c.candidates, normal);
    grad_weights = fill(c.batch * c.layers * c.candidates, normal);
    table_us = fill(c.devices * c.layers * c.candidates, positive);
    grad = fill(c.batch * c.devices, positive);
    if (!c.masked) return;
    valid = std::make_unique<bool[]>(c.layers * c.candidates);
    for (int64_t i = 0; i < c.layers * c.candidates; ++i) {
      valid[i] = i % c.candidates == c.candidates - 1 || i % 3 != 1;
      if (valid[i]) continue;
      for (int64_t n = 0; n < c.batch; ++n) logits[n * c.layers * c.candidates + i] = NAN;
      for (int64_t d = 0; d < c.devices; ++d) table_us[d * c.layers * c.candidates + i] = INFINITY;
    }
  }

  PackedTable<T> packed(const Case& c) const {
    return pack_table<T>({.table_us = table_us.data(),
                          .valid = valid.get(),
                          .devices = c.devices,
                          .layers = c.layers,
                          .candidates = c.candidates},
                         c.batch);
  }

  std::vector<T> logits, grad_weights, table_us, grad;
  std::unique_ptr<bool[]> valid;
};

// What the kernels have to give, by plain loops.
struct Twin {
  template <typename T>
  Twin(const Case& c, const Data<T>& data, double temperature)
      : soft(data.logits.size()),
        latency_us(c.batch * c.devices),
        grad_logits(data.logits.size()),
        grad_sample(data.logits.size()),
        grad_table(data.table_us.size()) {
    for (int64_t n = 0; n < c.batch; ++n) {
      for (int64_t layer = 0; layer < c.layers; ++layer) row(c, data, temperature, n, layer);
    }
  }

  template <typename T>
  void row(const Case& c, const Data<T>& data, double temperature, int64_t n, int64_t layer) {
    const auto is_valid = [&](int64_t i) { return !data.valid || data.valid[layer * c.candidates + i]; };
    const int64_t at = (n * c.layers + layer) * c.candidates;
    double sum = 0;
    for (int64_t i = 0; i < c.candidates; ++i) {
      if (is_valid(i)) sum += soft[at + i] = std::exp(static_cast<double>(data.logits[at + i]));
    }
    std::vector<double> from_latency(c.candidates);
    double mean = 0;
    double sample_mean = 0;
    for (int64_t i = 0; i < c.candidates; ++i) {
      soft[at + i] /= sum;
      if (!is_valid(i)) continue;
      for (int64_t d = 0; d < c.devices; ++d) {
        const int64_t entry = (d * c.layers + layer) * c.candidates + i;
        latency_us[n * c.devices + d] += soft[at + i] * data.table_us[entry];
        grad_table[entry] += soft[at + i] * data.grad[n * c.devices + d];
        from_latency[i] += static_cast<double>(data.grad[n * c.devices + d]) * data.table_us[entry];
      }
      mean += soft[at + i] * from_latency[i];
      sample_mean += soft[at + i] * (from_latency[i] + data.grad_weights[at + i]);
    }
    for (int64_t i = 0; i < c.candidates; ++i) {
      grad_logits[at + i] = soft[at + i] * (from_latency[i] - mean);
      grad_sample[at + i] =
          soft[at + i] * (from_latency[i] + data.grad_weights[at + i] - sample_mean) / temperature;
    }
  }

  std::vector<double> soft, latency_us, grad_logits, grad_sample, grad_table;
};

template <typename T, typename U>
void expect_near(const std::vector<T>& values, const std::vector<U>& wanted, double tolerance,
                 const char* what) {
  double scale = 0;
  for (const double value : wanted) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(values[i], wanted[i], tolerance * scale) << what << " at " << i;
  }
}

template <typename T>
void check(const Case& c) {
  constexpr double kTemperature = 0.7;
  const double tolerance = sizeof(T) == 4 ? 3e-6 : 1e-13;
  const Data<T> data(c);
  const Twin twin(c, data, kTemperature);
  const PackedTable<T> table = data.packed(c);
  const size_t values = data.logits.size();

  std::vector<T> latency_us(c.batch * c.devices, -1);
  softmax_forward(table, data.logits.data(), c.batch, latency_us.data());
  expect_near(latency_us, twin.latency_us, tolerance, "softmax_forward");

  std::vector<T> grad_logits(values, -1);
  std::vector<double> grad_table(data.table_us.size());
  softmax_backward(table, data.logits.data(), data.grad.data(), c.batch, grad_logits.data(),
                   grad_table.data());
  expect_near(grad_logits, twin.grad_logits, tolerance, "softmax_backward of the logits");
  expect_near(grad_table, twin.grad_table, tolerance, "softmax_backward of the table");

  std::vector<T> weights(values, -1);
  sample_forward(table, data.logits.data(), c.batch, /*hard=*/false, weights.data(), latency_us.data());
  expect_near(weights, twin.soft, tolerance, "sample_forward");
  expect_near(latency_us, twin.latency_us, tolerance, "the latency of sample_forward");
  std::fill(latency_us.begin(), latency_us.end(), T(-1));
  latency_of_weights(table, weights.data(), c.batch, latency_us.data());
  expect_near(latency_us, twin.latency_us, tolerance, "latency_of_weights");

  std::fill(grad_table.begin(), grad_table.end(), 0);
  sample_backward<T>(table,
                     {.soft = weights.data(),
                      .weights = weights.data(),
                      .grad_weights = data.grad_weights.data(),
                      .grad_latency = data.grad.data(),
                      .temperature = static_cast<T>(kTemperature),
                      .grad_logits = grad_logits.data(),
                      .grad_table = grad_table.data()},
                     c.batch);
  expect_near(grad_logits, twin.grad_sample, tolerance, "sample_backward of the logits");
  expect_near(grad_table, twin.grad_table, tolerance, "sample_backward of the table");

  std::vector<T> one_hot(values, -1);
  sample_forward(table, data.logits.data(), c.batch, /*hard=*/true, one_hot.data(), latency_us.data());
  for (size_t row = 0; row < values; row += c.candidates) {
    const auto first = twin.soft.begin() + static_cast<int64_t>(row);
    const int64_t choice = std::max_element(first, first + c.candidates) - first;
    for (int64_t i = 0; i < c.candidates; ++i) ASSERT_EQ(one_hot[row + i], i == choice ? 1 : 0);
  }
}

using RowKernelsTest = EveryTarget;

TEST_P(RowKernelsTest, EqualPlainLoops) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(::testing::Message()
                 << c.batch << " x " << c.devices << " x " << c.layers << " x " << c.candidates);
    check<float>(c);
    check<double>(c);
  }
}

TEST_P(RowKernelsTest, MakeNoiseOfTheSeedAndThePlaceAlone) {
  constexpr int64_t kSize = 1000;
  const std::vector<float> zeros(kSize);
  std::vector<float> noise(kSize);
  add_gumbel_noise(uint64_t{42}, 0, zeros.data(), kSize, 1.0f, noise.data());
  std::vector<float> tail(kSize - 77);
  add_gumbel_noise(uint64_t{42}, 77, zeros.data(), kSize - 77, 1.0f, tail.data());
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), noise.begin() + 77));
  double sum = 0;
  for (const float value : noise) sum += value;
  EXPECT_NEAR(sum / kSize, 0.5772, 4 * 1.2825 / std::sqrt(1.0 * kSize));  // Euler's constant; pi / sqrt(6)
}

LATGRAD_ON_EVERY_TARGET(RowKernelsTest);

}  // namespace
}  // namespace latgrad::ops::simd
