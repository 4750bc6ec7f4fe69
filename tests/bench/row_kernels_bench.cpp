// The vector kernels behind softmax_latency and gumbel_latency, on one thread and on memory that has been
// touched: how far they are from the machine, without PyTorch around them.
//
// `times_of_copy` is the ratio to copying as many bytes as the kernel has to read and write, measured in the
// same run: 1 is the bound of the memory. `ns_per_value` is the time for one logit.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <vector>

#include "ops/cpu/simd/row_kernels.h"

namespace {

using namespace latgrad::ops;

constexpr int64_t kLayers = 22;
constexpr int64_t kCandidates = 9;
constexpr int64_t kElement = kLayers * kCandidates;

double seconds_of(const auto& call) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

class Data {
 public:
  explicit Data(int64_t batch)
      : batch(batch), logits(batch * kElement), out(batch * kElement), grad(batch, 1) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : logits) value = normal(random);
    for (int64_t i = 0; i < kElement; ++i) table_us.push_back(100 + i);
    packed = simd::pack_table<float>(
        {.table_us = table_us.data(), .layers = kLayers, .candidates = kCandidates}, batch);
  }

  int64_t batch;
  std::vector<float> logits, out, grad;
  std::vector<float> table_us;
  std::vector<float> latency_us = std::vector<float>(batch);
  simd::PackedTable<float> packed;
};

// `arrays` is how many arrays of the size of the logits the kernel reads or writes.
template <typename Call>
void measure(benchmark::State& state, double arrays, const Call& call) {
  Data data(state.range(0));
  const double bytes = static_cast<double>(data.logits.size() * sizeof(float));
  std::vector<float> copy(data.logits.size());
  const double copy_seconds =
      seconds_of([&] {
        std::memcpy(copy.data(), data.logits.data(), data.logits.size() * sizeof(float));
        benchmark::ClobberMemory();
      }) *
      arrays / 2;  // a copy is one array read and one written
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    call(data);
    benchmark::ClobberMemory();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() /
                         static_cast<double>(state.iterations());
  state.counters["times_of_copy"] = seconds / copy_seconds;
  state.counters["ns_per_value"] = 1e9 * seconds / (bytes / sizeof(float));
}

void softmax_forward(benchmark::State& state) {
  measure(state, 1, [](Data& data) {
    simd::softmax_forward(data.packed, data.logits.data(), data.batch, data.latency_us.data());
  });
}

void softmax_backward(benchmark::State& state) {
  measure(state, 2, [](Data& data) {
    simd::softmax_backward<float>(data.packed, data.logits.data(), data.grad.data(), data.batch,
                                  data.out.data(), nullptr);
  });
}

void gumbel_noise(benchmark::State& state) {
  measure(state, 2, [](Data& data) {
    simd::add_gumbel_noise(uint64_t{1}, 0, data.logits.data(), static_cast<int64_t>(data.logits.size()), 1.0f,
                           data.out.data());
  });
}

void sample_forward(benchmark::State& state) {
  measure(state, 2, [](Data& data) {
    simd::sample_forward(data.packed, data.logits.data(), data.batch, false, data.out.data(),
                         data.latency_us.data());
  });
}

void sample_backward(benchmark::State& state) {
  measure(state, 2, [](Data& data) {
    simd::sample_backward<float>(data.packed,
                                 {.soft = data.logits.data(),
                                  .weights = data.logits.data(),
                                  .grad_weights = nullptr,
                                  .grad_latency = data.grad.data(),
                                  .temperature = 1,
                                  .grad_logits = data.out.data(),
                                  .grad_table = nullptr},
                                 data.batch);
  });
}

BENCHMARK(softmax_forward)->Arg(1)->Arg(65536)->Unit(benchmark::kMicrosecond);
BENCHMARK(softmax_backward)->Arg(1)->Arg(65536)->Unit(benchmark::kMicrosecond);
BENCHMARK(gumbel_noise)->Arg(1)->Arg(65536)->Unit(benchmark::kMicrosecond);
BENCHMARK(sample_forward)->Arg(1)->Arg(65536)->Unit(benchmark::kMicrosecond);
BENCHMARK(sample_backward)->Arg(1)->Arg(65536)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
