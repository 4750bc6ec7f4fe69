// Sums over the batch, as the gradient of a table is: in double, the same for any number of threads.

#pragma once

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace latgrad::ops {

// One partial sum for each chunk of the batch, added up in the order of the chunks.
class BatchSums {
 public:
  // `outputs` sums over `rows`, in chunks of at least `min_chunk` rows.
  BatchSums(int64_t rows, int64_t outputs, int64_t min_chunk) : outputs_(outputs) {
    // More chunks than this would cost memory without more speed; and all partial sums together take at most
    // 32 MiB, or those of one chunk where that is more.
    constexpr int64_t kMaxPartials = 256;
    constexpr int64_t kMaxPartialEntries = 1 << 22;
    const int64_t max_chunks = std::clamp<int64_t>(kMaxPartialEntries / outputs, 1, kMaxPartials);
    chunk_ = std::max(min_chunk, (rows + max_chunks - 1) / max_chunks);
    partials_.assign((rows + chunk_ - 1) / chunk_ * outputs, 0.0);
  }

  int64_t chunk() const { return chunk_; }
  // The partial sums of the chunk that starts with row `begin`.
  double* of_chunk(int64_t begin) { return partials_.data() + begin / chunk_ * outputs_; }

  void write_to(at::Tensor& out) const {
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, out.scalar_type(), "batch_sums", [&] {
      scalar_t* result = out.data_ptr<scalar_t>();
      for (int64_t i = 0; i < outputs_; ++i) {
        double sum = 0;
        for (size_t at = i; at < partials_.size(); at += outputs_) sum += partials_[at];
        result[i] = static_cast<scalar_t>(sum);
      }
    });
  }

 private:
  int64_t outputs_;
  int64_t chunk_;
  std::vector<double> partials_;
};

}  // namespace latgrad::ops
