#include "ops/cpu/simd/row_kernels.h"

#include <algorithm>
#include <limits>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/row_kernels.cpp"
#include "ops/cpu/simd/targets.h"
// After targets.h, once for each target.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "ops/cpu/simd/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace latgrad::ops::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// ---- Rows, tile after tile.

// Walks the rows of a batch tile after tile. The last tile may lack rows: it goes through a buffer of its
// own, in which the rows that are not there are zero.
template <typename T>
class Rows {
 public:
  // `staging` has the size of a tile.
  Rows(const PackedTable<T>& table, int64_t batch, T* staging)
      : candidates_(table.candidates),
        size_(batch * table.layers),
        phases_(table.phases),
        staging_(staging) {}

  int64_t first_row() const { return row_; }
  int64_t phase() const { return phase_; }
  bool done() const { return row_ >= size_; }
  void next() {
    row_ += kLanes;
    if (++phase_ == phases_) phase_ = 0;  // a division would take as long as a tenth of the tile
  }

  HWY_INLINE void load(const T* array, T* HWY_RESTRICT tile) {
    const T* rows = array + row_ * candidates_;
    if (HWY_LIKELY(is_whole())) {
      load_tile(Lanes<T>(), rows, candidates_, tile);
    } else {
      load_part(rows, tile);
    }
  }

  HWY_INLINE void store(const T* HWY_RESTRICT tile, T* array) {
    T* rows = array + row_ * candidates_;
    if (HWY_LIKELY(is_whole())) {
      store_tile(Lanes<T>(), tile, candidates_, rows);
    } else {
      store_part(tile, rows);
    }
  }

 private:
  static constexpr int64_t kLanes = hn::MaxLanes(Lanes<T>());

  bool is_whole() const { return size_ - row_ >= kLanes; }

  HWY_NOINLINE void load_part(const T* rows, T* HWY_RESTRICT tile) {
    const int64_t values = (size_ - row_) * candidates_;
    std::copy_n(rows, values, staging_);
    std::fill(staging_ + values, staging_ + kLanes * candidates_, T(0));
    load_tile(Lanes<T>(), staging_, candidates_, tile);
  }

  HWY_NOINLINE void store_part(const T* HWY_RESTRICT tile, T* rows) {
    store_tile(Lanes<T>(), tile, candidates_, staging_);
    std::copy_n(staging_, (size_ - row_) * candidates_, rows);
  }

  int64_t candidates_;
  int64_t size_;
  int64_t phases_;
  T* staging_;
  int64_t row_ = 0;
  int64_t phase_ = 0;
};

// 0 in the places of `tile` that are not valid, also where it is NaN.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void mask(D d, T* HWY_RESTRICT tile, int64_t size, const T* HWY_RESTRICT valid) {
  if (!valid) return;
  for (int64_t i = 0; i < size; i += static_cast<int64_t>(hn::Lanes(d))) {
    const auto is_valid = hn::Ne(hn::Load(d, valid + i), hn::Zero(d));
    hn::Store(hn::IfThenElseZero(is_valid, hn::Load(d, tile + i)), d, tile + i);
  }
}

// ---- The table, packed.

// tiles[phase] of rows [L, C], which are repeated as often as the phases need.
template <typename T>
void pack_rows(const T* rows, int64_t layers, int64_t candidates, int64_t phases, T* tiles) {
  const Lanes<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hwy::AlignedFreeUniquePtr<T[]> staged;
  for (int64_t phase = 0; phase < phases; ++phase, tiles += candidates * lanes) {
    const int64_t first = phase * lanes % layers;
    if (first + lanes <= layers) {
      load_tile(d, rows + first * candidates, candidates, tiles);
      continue;
    }
    if (!staged) staged = allocate<T>(lanes * candidates);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      std::copy_n(rows + (first + lane) % layers * candidates, candidates, staged.get() + lane * candidates);
    }
    load_tile(d, staged.get(), candidates, tiles);
  }
}

template <typename T>
PackedTable<T> pack(const TableView<T>& view, int64_t batch) {
  const Lanes<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto [layers, candidates] = std::pair(view.layers, view.candidates);
  const int64_t tiles = (batch * layers + lanes - 1) / lanes;
  const int64_t phases = std::max<int64_t>(1, std::min(layers / std::gcd(layers, lanes), tiles));
  const int64_t size = phases * candidates * lanes;
  PackedTable<T> packed{view.devices, layers, candidates, phases, allocate<T>(view.devices * size), nullptr};
  if (view.valid) {
    const auto rows = allocate<T>(layers * candidates);
    std::transform(view.valid, view.valid + layers * candidates, rows.get(),
                   [](bool valid) { return T(valid); });
    packed.valid = allocate<T>(size);
    pack_rows(rows.get(), layers, candidates, phases, packed.valid.get());
  }
  for (int64_t device = 0; device < view.devices; ++device) {
    T* us = packed.table_us.get() + device * size;
    pack_rows(view.table_us + device * layers * candidates, layers, candidates, phases, us);
    mask(d, us, size, packed.valid.get());
  }
  return packed;
}

template <typename T>
class Tiles {
 public:
  explicit Tiles(const PackedTable<T>& table)
      : table_(table), size_(table.candidates * static_cast<int64_t>(hn::Lanes(Lanes<T>()))) {}

  const T* table_us(int64_t device, int64_t phase) const {
    return table_.table_us.get() + (device * table_.phases + phase) * size_;
  }
  const T* valid(int64_t phase) const { return table_.valid ? table_.valid.get() + phase * size_ : nullptr; }
  int64_t size() const { return size_; }

 private:
  const PackedTable<T>& table_;
  int64_t size_;
};

// ---- Steps on one tile.

// exp(x) for x <= 0 that keeps a NaN; what would lie below 2^-124 is 0.
template <class D>
HWY_INLINE hn::Vec<D> exp_not_positive(D d, hn::Vec<D> x, float) {
  // Half the steps of hn::Exp, which also has to take positive and subnormal results into account.
  // x = n ln 2 + r with |r| <= ln 2 / 2; adding the magic number rounds x / ln 2 to the integer n and leaves
  // it in the low bits.
  const hn::Rebind<int32_t, D> di;
  const auto lowest = hn::Set(d, -85.9f);
  const auto magic = hn::Set(d, 12582912.0f);
  const auto clamped = hn::Max(lowest, x);  // this order keeps a NaN of x
  const auto shifted = hn::MulAdd(clamped, hn::Set(d, 1.44269504f), magic);
  const auto n = hn::Sub(shifted, magic);
  const auto r =
      hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), clamped));
  auto p = hn::MulAdd(r, hn::Set(d, 1.9875691500e-4f), hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  const auto result = hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
  // Adding the exponent would make a number of some NaNs.
  return hn::IfThenElse(hn::Ge(x, lowest), result, hn::Sub(clamped, clamped));
}

template <class D>
HWY_INLINE hn::Vec<D> exp_not_positive(D d, hn::Vec<D> x, double) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
}

// What one pass over a tile of exponentials gives for its rows.
template <class D>
struct Exponentials {
  hn::Vec<D> sum;       // NaN where softmax has none
  hn::Vec<D> times_us;  // the sum of exponential times latency
};

// Replaces the logits in `tile` by exp(logit - maximum of the row), 0 where not valid.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE Exponentials<D> exponentials(D d, T* HWY_RESTRICT tile, int64_t candidates,
                                        const T* HWY_RESTRICT valid, const T* HWY_RESTRICT us) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t size = candidates * lanes;
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  if (valid) {
    for (int64_t i = 0; i < size; i += lanes) {
      const auto is_valid = hn::Ne(hn::Load(d, valid + i), hn::Zero(d));
      hn::Store(hn::IfThenElse(is_valid, hn::Load(d, tile + i), lowest), d, tile + i);
    }
  }
  auto maximum = lowest;
  for (int64_t i = 0; i < size; i += lanes) maximum = hn::Max(maximum, hn::Load(d, tile + i));
  Exponentials<D> result{hn::Zero(d), hn::Zero(d)};
  for (int64_t i = 0; i < size; i += lanes) {
    const auto e = exp_not_positive(d, hn::Sub(hn::Load(d, tile + i), maximum), T());
    hn::Store(e, d, tile + i);
    result.sum = hn::Add(result.sum, e);
    result.times_us = hn::MulAdd(e, hn::Load(d, us + i), result.times_us);
  }
  return result;
}

// The sum over the candidates of a * b.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> dot(D d, const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, int64_t candidates) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d);
  auto odd = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes < candidates * lanes; i += 2 * lanes) {
    even = hn::MulAdd(hn::Load(d, a + i), hn::Load(d, b + i), even);
    odd = hn::MulAdd(hn::Load(d, a + i + lanes), hn::Load(d, b + i + lanes), odd);
  }
  if (i < candidates * lanes) even = hn::MulAdd(hn::Load(d, a + i), hn::Load(d, b + i), even);
  return hn::Add(even, odd);
}

// Row latencies -> latencies of the batch: what the layers of an element add up to, four elements at a time
// so that the additions overlap.
template <typename T>
void sum_layers(const T* HWY_RESTRICT rows, int64_t batch, int64_t layers, T* out, int64_t out_stride) {
  int64_t n = 0;
  for (; n + 4 <= batch; n += 4) {
    T sums[4] = {};
    for (int64_t layer = 0; layer < layers; ++layer) {
      for (int64_t i = 0; i < 4; ++i) sums[i] += rows[(n + i) * layers + layer];
    }
    for (int64_t i = 0; i < 4; ++i) out[(n + i) * out_stride] = sums[i];
  }
  for (; n < batch; ++n) {
    T sum = 0;
    for (int64_t layer = 0; layer < layers; ++layer) sum += rows[n * layers + layer];
    out[n * out_stride] = sum;
  }
}

// Elements of the batch that are worked on at once, so that what is kept for each row stays in the first
// cache. A multiple of sixteen rows where it can be, so that few tiles lack rows.
inline int64_t block_size(int64_t layers) { return std::max<int64_t>(1, (1024 / layers) & ~int64_t{15}); }

// ---- The kernels.

template <typename T>
struct Weighed {
  hn::Vec<Lanes<T>> factor;
  hn::Vec<Lanes<T>> latency_us;
};

// weigh(tile, us, valid) turns a tile of `rows` [N, L, C] into weights, up to a factor for each row, and
// gives their latency by `us`, that of the first device; latency_us [N, D] is that of the weights, which go
// to `weights` [N, L, C] where that is not null.
template <typename T, class Weigh>
void weigh_rows(const PackedTable<T>& table, const T* rows_in, int64_t batch, T* weights, T* latency_us,
                const Weigh& weigh) {
  const Lanes<T> d;
  const Tiles<T> tiles(table);
  const int64_t block = std::min(batch, block_size(table.layers));
  const int64_t row_buffer = block * table.layers + static_cast<int64_t>(hn::Lanes(d));
  const int64_t element = table.layers * table.candidates;
  const auto scratch = allocate<T>(2 * tiles.size() + row_buffer * table.devices);
  T* const tile = scratch.get();
  T* const staging = tile + tiles.size();
  T* const row_us = staging + tiles.size();
  for (int64_t n = 0; n < batch; n += block) {
    const int64_t size = std::min(block, batch - n);
    for (Rows<T> rows(table, size, staging); !rows.done(); rows.next()) {
      rows.load(rows_in + n * element, tile);
      const T* first_us = tiles.table_us(0, rows.phase());
      const Weighed<T> weighed = weigh(tile, first_us, tiles.valid(rows.phase()));
      if (weights) rows.store(tile, weights + n * element);
      hn::StoreU(weighed.latency_us, d, row_us + rows.first_row());
      for (int64_t device = 1; device < table.devices; ++device) {
        const auto us = dot(d, tile, tiles.table_us(device, rows.phase()), table.candidates);
        hn::StoreU(hn::Mul(us, weighed.factor), d, row_us + device * row_buffer + rows.first_row());
      }
    }
    for (int64_t device = 0; device < table.devices; ++device) {
      sum_layers(row_us + device * row_buffer, size, table.layers, latency_us + n * table.devices + device,
                 table.devices);
    }
  }
}

template <typename T>
void softmax_forward_impl(const PackedTable<T>& table, const T* logits, int64_t batch, T* latency_us) {
  const Lanes<T> d;
  weigh_rows(table, logits, batch, static_cast<T*>(nullptr), latency_us,
             [&](T* tile, const T* us, const T* valid) {
               const auto e = exponentials(d, tile, table.candidates, valid, us);
               const auto one_over_sum = hn::Div(hn::Set(d, T(1)), e.sum);
               return Weighed<T>{one_over_sum, hn::Mul(one_over_sum, e.times_us)};
             });
}

template <typename T>
void latency_of_weights_impl(const PackedTable<T>& table, const T* weights, int64_t batch, T* latency_us) {
  const Lanes<T> d;
  weigh_rows(table, weights, batch, static_cast<T*>(nullptr), latency_us,
             [&](T* tile, const T* us, const T*) {
               return Weighed<T>{hn::Set(d, T(1)), dot(d, tile, us, table.candidates)};
             });
}

// exponentials / sum.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void normalise(D d, T* HWY_RESTRICT tile, int64_t size, hn::Vec<D> sum) {
  const auto scale = hn::Div(hn::Set(d, T(1)), sum);
  for (int64_t i = 0; i < size; i += static_cast<int64_t>(hn::Lanes(d))) {
    hn::Store(hn::Mul(hn::Load(d, tile + i), scale), d, tile + i);
  }
}

// The arg-max as one-hot, from exponentials: that of the largest logit is exactly 1. The first of several
// wins, as in torch.argmax; a row without a softmax, whose sum is NaN, becomes NaN.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void one_hot(D d, T* HWY_RESTRICT tile, int64_t size, hn::Vec<D> sum) {
  const auto one = hn::Set(d, T(1));
  const auto is_nan = hn::IsNaN(sum);
  auto open = hn::Eq(one, one);
  for (int64_t i = 0; i < size; i += static_cast<int64_t>(hn::Lanes(d))) {
    const auto is_largest = hn::Eq(hn::Load(d, tile + i), one);
    const auto choice = hn::IfThenElseZero(hn::And(open, is_largest), one);
    open = hn::AndNot(is_largest, open);
    hn::Store(hn::IfThenElse(is_nan, sum, choice), d, tile + i);
  }
}

template <typename T>
void sample_forward_impl(const PackedTable<T>& table, const T* logits, int64_t batch, bool hard, T* weights,
                         T* latency_us) {
  const Lanes<T> d;
  const int64_t size = Tiles<T>(table).size();
  weigh_rows(table, logits, batch, weights, latency_us, [&](T* tile, const T* us, const T* valid) {
    const auto sum = exponentials(d, tile, table.candidates, valid, us).sum;
    if (hard) {
      one_hot(d, tile, size, sum);
    } else {
      normalise(d, tile, size, sum);
    }
    mask(d, tile, size, valid);
    return Weighed<T>{hn::Set(d, T(1)), dot(d, tile, us, table.candidates)};
  });
}

// What the backward of softmax_latency and of a sample share: the gradient of the latency [N, D], which every
// layer of an element gets, and the two products with the table.
template <typename T>
class LatencyGradient {
 public:
  LatencyGradient(const PackedTable<T>& table, const T* grad, int64_t block, bool needs_table)
      : table_(table), grad_(grad), row_buffer_(block * table.layers + hn::Lanes(Lanes<T>())) {
    // Rows that are not there have the gradient zero.
    row_grad_ = zeros(row_buffer_ * table.devices);
    if (needs_table) table_sums_ = zeros(table.devices * table.phases * tiles_.size());
  }

  // Precondition: the elements of a block start at `n`.
  void start_block(int64_t n, int64_t size) {
    if (!grad_) return;
    for (int64_t device = 0; device < table_.devices; ++device) {
      T* row = row_grad_.get() + device * row_buffer_;
      for (int64_t i = 0; i < size; ++i, row += table_.layers) {
        std::fill_n(row, table_.layers, grad_[(n + i) * table_.devices + device]);
      }
      std::fill(row, row_grad_.get() + (device + 1) * row_buffer_, T(0));
    }
  }

  hn::Vec<Lanes<T>> of_rows(const Rows<T>& rows, int64_t device) const {
    return hn::LoadU(Lanes<T>(), row_grad_.get() + device * row_buffer_ + rows.first_row());
  }

  // tile[c] = grad * table, summed over the devices, plus what is in it already where `add`.
  void times_table(const Rows<T>& rows, bool add, T* HWY_RESTRICT tile) const {
    const Lanes<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t device = 0; device < table_.devices; ++device) {
      const auto grad = of_rows(rows, device);
      const T* HWY_RESTRICT us = tiles_.table_us(device, rows.phase());
      for (int64_t i = 0; i < tiles_.size(); i += lanes) {
        const auto product = hn::Mul(grad, hn::Load(d, us + i));
        hn::Store(add ? hn::Add(product, hn::Load(d, tile + i)) : product, d, tile + i);
      }
      add = true;
    }
  }

  // Adds grad * weights * scale to the gradient of the table.
  void add_to_table(const Rows<T>& rows, const T* HWY_RESTRICT weights, hn::Vec<Lanes<T>> scale) {
    const Lanes<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t device = 0; device < table_.devices; ++device) {
      const auto grad = hn::Mul(scale, of_rows(rows, device));
      T* HWY_RESTRICT sums = table_sums_.get() + (device * table_.phases + rows.phase()) * tiles_.size();
      for (int64_t i = 0; i < tiles_.size(); i += lanes) {
        hn::Store(hn::MulAdd(grad, hn::Load(d, weights + i), hn::Load(d, sums + i)), d, sums + i);
      }
    }
  }

  // Moves the gradient of the table, as summed up since the last time, to grad_table [D, L, C].
  void flush(double* grad_table) {
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(Lanes<T>()));
    T* sums = table_sums_.get();
    for (int64_t device = 0; device < table_.devices; ++device) {
      for (int64_t phase = 0; phase < table_.phases; ++phase, sums += tiles_.size()) {
        const T* valid = tiles_.valid(phase);
        for (int64_t lane = 0; lane < lanes; ++lane) {
          const int64_t layer = (phase * lanes + lane) % table_.layers;
          double* row = grad_table + (device * table_.layers + layer) * table_.candidates;
          for (int64_t c = 0; c < table_.candidates; ++c) {
            const int64_t i = c * lanes + lane;
            // Beside a NaN the sum is NaN also where nothing is valid.
            if (!valid || valid[i] != 0) row[c] += static_cast<double>(sums[i]);
          }
        }
        std::fill_n(sums, tiles_.size(), T(0));
      }
    }
  }

 private:
  static hwy::AlignedFreeUniquePtr<T[]> zeros(int64_t size) {
    auto result = allocate<T>(size);
    std::fill_n(result.get(), size, T(0));
    return result;
  }
  const PackedTable<T>& table_;
  Tiles<T> tiles_{table_};
  const T* grad_;
  int64_t row_buffer_;
  hwy::AlignedFreeUniquePtr<T[]> row_grad_;    // [D, rows of a block]
  hwy::AlignedFreeUniquePtr<T[]> table_sums_;  // [D, phases, C, lanes]
};

// tile[c] = factor * tile[c] * (grad[c] - mean): the gradient of a softmax, of which `tile` is a multiple,
// where `mean` is the sum of softmax times `grad`.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE void softmax_gradient(D d, T* HWY_RESTRICT tile, const T* HWY_RESTRICT grad, int64_t candidates,
                                 hn::Vec<D> factor, hn::Vec<D> mean) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < candidates * lanes; i += lanes) {
    const auto p = hn::Mul(factor, hn::Load(d, tile + i));
    hn::Store(hn::Mul(p, hn::Sub(hn::Load(d, grad + i), mean)), d, tile + i);
  }
}

template <typename T>
void softmax_backward_impl(const PackedTable<T>& table, const T* logits, const T* grad, int64_t batch,
                           T* grad_logits, double* grad_table) {
  const Lanes<T> d;
  const auto one = hn::Set(d, T(1));
  const Tiles<T> tiles(table);
  const int64_t block = std::min(batch, block_size(table.layers));
  const int64_t element = table.layers * table.candidates;
  LatencyGradient<T> latency(table, grad, block, grad_table != nullptr);
  const auto scratch = allocate<T>(3 * tiles.size());
  T* const tile = scratch.get();
  T* const upstream = tile + tiles.size();
  T* const staging = upstream + tiles.size();
  for (int64_t n = 0; n < batch; n += block) {
    const int64_t size = std::min(block, batch - n);
    latency.start_block(n, size);
    for (Rows<T> rows(table, size, staging); !rows.done(); rows.next()) {
      rows.load(logits + n * element, tile);
      const T* valid = tiles.valid(rows.phase());
      const T* us = tiles.table_us(0, rows.phase());
      const auto e = exponentials(d, tile, table.candidates, valid, us);
      const auto one_over_sum = hn::Div(one, e.sum);
      if (grad_table) latency.add_to_table(rows, tile, one_over_sum);
      if (!grad_logits) continue;
      if (table.devices == 1) {
        softmax_gradient(d, tile, us, table.candidates, hn::Mul(one_over_sum, latency.of_rows(rows, 0)),
                         hn::Mul(one_over_sum, e.times_us));
      } else {
        latency.times_table(rows, false, upstream);
        const auto mean = hn::Mul(one_over_sum, dot(d, tile, upstream, table.candidates));
        softmax_gradient(d, tile, upstream, table.candidates, one_over_sum, mean);
      }
      mask(d, tile, tiles.size(), valid);
      rows.store(tile, grad_logits + n * element);
    }
    if (grad_table) latency.flush(grad_table);
  }
}

template <typename T>
void sample_backward_impl(const PackedTable<T>& table, const SampleGradients<T>& g, int64_t batch) {
  const Lanes<T> d;
  const Tiles<T> tiles(table);
  const int64_t block = std::min(batch, block_size(table.layers));
  const int64_t element = table.layers * table.candidates;
  const bool needs_table = g.grad_table && g.grad_latency;
  LatencyGradient<T> latency(table, g.grad_latency, block, needs_table);
  const auto scratch = allocate<T>(3 * tiles.size());
  T* const soft = scratch.get();
  T* const upstream = soft + tiles.size();
  T* const staging = upstream + tiles.size();
  const auto one = hn::Set(d, T(1));
  const auto scale = hn::Set(d, T(1) / g.temperature);
  for (int64_t n = 0; n < batch; n += block) {
    const int64_t size = std::min(block, batch - n);
    const int64_t at = n * element;
    latency.start_block(n, size);
    for (Rows<T> rows(table, size, staging); !rows.done(); rows.next()) {
      if (needs_table) {
        rows.load(g.weights + at, upstream);
        latency.add_to_table(rows, upstream, one);
      }
      if (!g.grad_logits) continue;
      if (g.grad_weights) rows.load(g.grad_weights + at, upstream);
      if (g.grad_latency || !g.grad_weights) latency.times_table(rows, g.grad_weights != nullptr, upstream);
      const T* valid = tiles.valid(rows.phase());
      mask(d, upstream, tiles.size(), valid);
      rows.load(g.soft + at, soft);
      softmax_gradient(d, soft, upstream, table.candidates, scale, dot(d, soft, upstream, table.candidates));
      mask(d, soft, tiles.size(), valid);
      rows.store(soft, g.grad_logits + at);
    }
    if (needs_table) latency.flush(g.grad_table);
  }
}

// ---- Noise.

// Sixty-four values come from sixteen counters: value i from word i / 16 % 4 of counter i / 64 * 16 + i % 16.
// So the words need no shuffling, whatever the number of lanes.
constexpr int64_t kGroup = 64;
constexpr int64_t kCounters = 16;

// Philox 4x32-10 of the counters first, first + 1, ...: word w of counter first + i in words[w * kCounters +
// i]. Precondition: `first` is a multiple of kCounters.
inline void philox(uint64_t seed, uint64_t first, uint32_t* HWY_RESTRICT words) {
  // A word lies in the lower half of a lane of 64 bits, where it can be multiplied; what is above is ignored.
  const hn::CappedTag<uint64_t, kCounters / 2> d;
  const hn::Repartition<uint32_t, decltype(d)> dw;
  using V = hn::Vec<decltype(d)>;
  const auto multiply = [&](V a, uint64_t b) {
    return hn::MulEven(hn::BitCast(dw, a), hn::BitCast(dw, hn::Set(d, b)));
  };
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < kCounters; i += 2 * lanes) {
    // Two halves: the even and the odd ones of 2 * lanes counters.
    V c[2][4];
    for (int64_t half = 0; half < 2; ++half) {
      const uint64_t low = static_cast<uint32_t>(first) + static_cast<uint64_t>(i + half);
      c[half][0] = hn::Add(hn::Set(d, low), hn::ShiftLeft<1>(hn::Iota(d, uint64_t{0})));
      c[half][1] = hn::Set(d, first >> 32);
      c[half][2] = hn::Zero(d);
      c[half][3] = hn::Zero(d);
    }
    uint32_t key0 = static_cast<uint32_t>(seed);
    uint32_t key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      for (V(&w)[4] : c) {
        const V product0 = multiply(w[0], 0xD2511F53u);
        const V product1 = multiply(w[2], 0xCD9E8D57u);
        w[0] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), w[1]), hn::Set(d, uint64_t{key0}));
        w[1] = product1;
        w[2] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), w[3]), hn::Set(d, uint64_t{key1}));
        w[3] = product0;
      }
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    for (int64_t word = 0; word < 4; ++word) {
      const auto odd = hn::BitCast(dw, hn::ShiftLeft<32>(c[1][word]));
      hn::Store(hn::OddEven(odd, hn::BitCast(dw, c[0][word])), dw, words + word * kCounters + i);
    }
  }
}

// Uniform in (0, 1): the middles of 2^23 intervals, which float32 holds exactly. Neither end is ever reached,
// so both logarithms are finite.
inline void uniform(uint64_t seed, uint64_t group, float* HWY_RESTRICT u) {
  HWY_ALIGN uint32_t words[kGroup];
  philox(seed, group * kCounters, words);
  const hn::ScalableTag<float> d;
  const hn::Rebind<int32_t, decltype(d)> di;
  const hn::Rebind<uint32_t, decltype(d)> du;
  for (int64_t i = 0; i < kGroup; i += hn::Lanes(d)) {
    const auto bits = hn::BitCast(di, hn::ShiftRight<9>(hn::Load(du, words + i)));
    const auto middle = hn::Add(hn::ConvertTo(d, bits), hn::Set(d, 0.5f));
    hn::Store(hn::Mul(middle, hn::Set(d, 0x1p-23f)), d, u + i);
  }
}

// The same with 2^52 intervals, from two groups of words: a value has the high word of the one and the low
// word of the other.
inline void uniform(uint64_t seed, uint64_t group, double* HWY_RESTRICT u) {
  HWY_ALIGN uint32_t high[kGroup];
  HWY_ALIGN uint32_t low[kGroup];
  philox(seed, 2 * group * kCounters, high);
  philox(seed, (2 * group + 1) * kCounters, low);
  for (int64_t i = 0; i < kGroup; ++i) {
    const int64_t bits = static_cast<int64_t>((uint64_t{high[i]} << 32 | low[i]) >> 12);
    u[i] = (static_cast<double>(bits) + 0.5) * 0x1p-52;
  }
}

template <typename T>
void add_gumbel_noise_impl(uint64_t seed, int64_t first, const T* logits, int64_t size, T temperature, T* z) {
  const Lanes<T> d;
  const auto scale = hn::Set(d, T(1) / temperature);
  HWY_ALIGN T values[kGroup];
  HWY_ALIGN T staged[kGroup];
  for (int64_t done = 0; done < size;) {
    const int64_t number = first + done;
    uniform(seed, static_cast<uint64_t>(number / kGroup), values);
    const int64_t skip = number % kGroup;
    const int64_t count = std::min(kGroup - skip, size - done);
    const bool is_whole = count == kGroup;
    if (!is_whole) std::copy_n(logits + done, count, staged + skip);
    const T* x = is_whole ? logits + done : staged;
    T* out = is_whole ? z + done : staged;
    for (int64_t i = 0; i < kGroup; i += hn::Lanes(d)) {
      const auto exponential = hn::Neg(hn::Log(d, hn::Load(d, values + i)));
      hn::StoreU(hn::Mul(hn::Sub(hn::LoadU(d, x + i), hn::Log(d, exponential)), scale), d, out + i);
    }
    if (!is_whole) std::copy_n(staged + skip, count, z + done);
    done += count;
  }
}

// What is exported must not be a template.
#define LATGRAD_ROW_KERNELS(T, Suffix)                                                                      \
  PackedTable<T> Pack##Suffix(const TableView<T>& view, int64_t batch) { return pack<T>(view, batch); }     \
  void SoftmaxForward##Suffix(const PackedTable<T>& table, const T* logits, int64_t batch, T* latency_us) { \
    softmax_forward_impl<T>(table, logits, batch, latency_us);                                              \
  }                                                                                                         \
  void SoftmaxBackward##Suffix(const PackedTable<T>& table, const T* logits, const T* grad, int64_t batch,  \
                               T* grad_logits, double* grad_table) {                                        \
    softmax_backward_impl<T>(table, logits, grad, batch, grad_logits, grad_table);                          \
  }                                                                                                         \
  void LatencyOfWeights##Suffix(const PackedTable<T>& table, const T* weights, int64_t batch,               \
                                T* latency_us) {                                                            \
    latency_of_weights_impl<T>(table, weights, batch, latency_us);                                          \
  }                                                                                                         \
  void SampleForward##Suffix(const PackedTable<T>& table, const T* logits, int64_t batch, bool hard,        \
                             T* weights, T* latency_us) {                                                   \
    sample_forward_impl<T>(table, logits, batch, hard, weights, latency_us);                                \
  }                                                                                                         \
  void SampleBackward##Suffix(const PackedTable<T>& table, const SampleGradients<T>& g, int64_t batch) {    \
    sample_backward_impl<T>(table, g, batch);                                                               \
  }                                                                                                         \
  void AddGumbelNoise##Suffix(uint64_t seed, int64_t first, const T* logits, int64_t size, T temperature,   \
                              T* z) {                                                                       \
    add_gumbel_noise_impl<T>(seed, first, logits, size, temperature, z);                                    \
  }
LATGRAD_ROW_KERNELS(float, F32)
LATGRAD_ROW_KERNELS(double, F64)
#undef LATGRAD_ROW_KERNELS

}  // namespace HWY_NAMESPACE
}  // namespace latgrad::ops::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace latgrad::ops::simd {

#define LATGRAD_DISPATCH(T, Suffix)                                                                         \
  HWY_EXPORT(Pack##Suffix);                                                                                 \
  HWY_EXPORT(SoftmaxForward##Suffix);                                                                       \
  HWY_EXPORT(SoftmaxBackward##Suffix);                                                                      \
  HWY_EXPORT(LatencyOfWeights##Suffix);                                                                     \
  HWY_EXPORT(SampleForward##Suffix);                                                                        \
  HWY_EXPORT(SampleBackward##Suffix);                                                                       \
  HWY_EXPORT(AddGumbelNoise##Suffix);                                                                       \
  template <>                                                                                               \
  PackedTable<T> pack_table(const TableView<T>& view, int64_t batch) {                                      \
    return HWY_DYNAMIC_DISPATCH(Pack##Suffix)(view, batch);                                                 \
  }                                                                                                         \
  template <>                                                                                               \
  void softmax_forward(const PackedTable<T>& table, const T* logits, int64_t batch, T* latency_us) {        \
    HWY_DYNAMIC_DISPATCH(SoftmaxForward##Suffix)(table, logits, batch, latency_us);                         \
  }                                                                                                         \
  template <>                                                                                               \
  void softmax_backward(const PackedTable<T>& table, const T* logits, const T* grad, int64_t batch,         \
                        T* grad_logits, double* grad_table) {                                               \
    HWY_DYNAMIC_DISPATCH(SoftmaxBackward##Suffix)(table, logits, grad, batch, grad_logits, grad_table);     \
  }                                                                                                         \
  template <>                                                                                               \
  void latency_of_weights(const PackedTable<T>& table, const T* weights, int64_t batch, T* latency_us) {    \
    HWY_DYNAMIC_DISPATCH(LatencyOfWeights##Suffix)(table, weights, batch, latency_us);                      \
  }                                                                                                         \
  template <>                                                                                               \
  void sample_forward(const PackedTable<T>& table, const T* logits, int64_t batch, bool hard, T* weights,   \
                      T* latency_us) {                                                                      \
    HWY_DYNAMIC_DISPATCH(SampleForward##Suffix)(table, logits, batch, hard, weights, latency_us);           \
  }                                                                                                         \
  template <>                                                                                               \
  void sample_backward(const PackedTable<T>& table, const SampleGradients<T>& gradients, int64_t batch) {   \
    HWY_DYNAMIC_DISPATCH(SampleBackward##Suffix)(table, gradients, batch);                                  \
  }                                                                                                         \
  template <>                                                                                               \
  void add_gumbel_noise(uint64_t seed, int64_t first, const T* logits, int64_t size, T temperature, T* z) { \
    HWY_DYNAMIC_DISPATCH(AddGumbelNoise##Suffix)(seed, first, logits, size, temperature, z);                \
  }
LATGRAD_DISPATCH(float, F32)
LATGRAD_DISPATCH(double, F64)
#undef LATGRAD_DISPATCH

}  // namespace latgrad::ops::simd
#endif
