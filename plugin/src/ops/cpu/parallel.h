// Threads for the CPU kernels: oneTBB in an arena as wide as torch.get_num_threads() says.

#pragma once

#include <ATen/Parallel.h>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cstdint>

namespace latgrad::ops {

// Below this many elements waking a second thread costs more than it saves.
inline constexpr int64_t kElementsPerTask = 1 << 15;

// How many rows of `row_size` elements make a task worth its start.
inline int64_t rows_per_task(int64_t row_size) {
  return std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, row_size));
}

// Calls body(begin, end) for consecutive ranges of `chunk` rows that cover [0, rows). The ranges depend on
// `rows` and `chunk` alone, so a result that is kept per range does not depend on the number of threads.
// Stays on the calling thread for a single range and inside a parallel region of torch: pools are never
// nested.
template <typename Body>
void for_each_chunk(int64_t rows, int64_t chunk, const Body& body) {
  const int64_t chunks = (rows + chunk - 1) / chunk;
  const auto run = [&](int64_t index) { body(index * chunk, std::min(rows, (index + 1) * chunk)); };
  const int threads = at::get_num_threads();
  if (chunks <= 1 || threads <= 1 || at::in_parallel_region()) {
    for (int64_t index = 0; index < chunks; ++index) run(index);
    return;
  }
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_for(tbb::blocked_range<int64_t>(0, chunks), [&](const tbb::blocked_range<int64_t>& range) {
      for (int64_t index = range.begin(); index < range.end(); ++index) run(index);
    });
  });
}

}  // namespace latgrad::ops
