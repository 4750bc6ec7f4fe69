// Reductions along axes, along the first or last dimensions, to norms, extremes and the greatest k.

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

using Axes = at::IntArrayRef;

template <auto function>
Kernel make_reduce(const lut::OperatorKey& key, const Target& target) {
  const net::Shape& shape = input_shape(key, 0);
  std::vector<int64_t> axes = arguments(key).integers("axes");
  if (axes.empty()) {  // all of them
    axes.resize(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  const bool keep = arguments(key).integer("keepdims", 1) != 0;
  const auto reduces = [&](int64_t axis) {
    return std::ranges::any_of(axes, [&](int64_t other) { return other == axis || other == axis - 4; });
  };
  // Where a row and the channels remain, in channels-last memory their order would be another one.
  const bool same_order = keep || reduces(3) || (reduces(1) && reduces(2));
  const bool channels_last = target.channels_last && shape.size() == 4 && same_order;
  for (int64_t& axis : axes) axis = torch_axis(axis, shape.size(), channels_last);
  return {.activations = {activation(key, 0, channels_last)},
          .run = [=](const std::vector<at::Tensor>& x) { return function(x[0], axes, keep); },
          .channels_last = channels_last};
}

// Reduces the first or the last dimensions.
enum class End { kFront, kBack };

template <End end, auto function>
Kernel make_reduce_end(const lut::OperatorKey& key, const Target&) {
  if (key.input_shapes.size() > 1) throw ValueError("a reduction with lengths is not measured");
  const Activation input = activation(key, 0, false);
  const auto rank = static_cast<int64_t>(input.shape.size());
  const int64_t count = arguments(key).integer("num_reduce_dim", 1);
  if (count < 1 || count > rank) {
    throw ValueError("num_reduce_dim must be 1 to " + std::to_string(rank) + " to be measured, got " +
                     std::to_string(count));
  }
  std::vector<int64_t> axes(static_cast<size_t>(count));
  std::iota(axes.begin(), axes.end(), end == End::kFront ? 0 : rank - count);
  return {.activations = {input},
          .run = [axes](const std::vector<at::Tensor>& x) { return function(x[0], axes, false); }};
}

constexpr auto kL1 = [](const T& x, Axes axes, bool keep) { return at::norm(x, 1, axes, keep); };
constexpr auto kL2 = [](const T& x, Axes axes, bool keep) { return at::norm(x, 2, axes, keep); };
constexpr auto kMax = [](const T& x, Axes axes, bool keep) { return at::amax(x, axes, keep); };
constexpr auto kMean = [](const T& x, Axes axes, bool keep) { return at::mean(x, axes, keep); };
constexpr auto kMin = [](const T& x, Axes axes, bool keep) { return at::amin(x, axes, keep); };
constexpr auto kLogSumExp = [](const T& x, Axes axes, bool keep) { return at::logsumexp(x, axes, keep); };
constexpr auto kSumSquare = [](const T& x, Axes axes, bool keep) {
  return at::sum(at::square(x), axes, keep);
};
// Torch takes one axis at a time.
constexpr auto kProduct = [](const T& x, Axes axes, bool keep) {
  std::vector<int64_t> sorted = axes.vec();
  std::ranges::sort(sorted, std::greater<>());
  T product = x;
  for (const int64_t axis : sorted) product = at::prod(product, axis, keep);
  return product;
};
constexpr auto kSum = [](const T& x, Axes axes, bool keep) { return at::sum(x, axes, keep); };

template <auto function>
Kernel make_arg_extreme(const lut::OperatorKey& key, const Target&) {
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", -1), input.shape.size(), false);
  const bool keep = arguments(key).integer("keepdims", 1) != 0;
  return {.activations = {input}, .run = [=](const std::vector<T>& x) { return function(x[0], axis, keep); }};
}

Kernel make_lp_norm(const lut::OperatorKey& key, const Target&) {
  const int64_t p = arguments(key).integer("p", 2);
  if (p != 1 && p != 2) throw ValueError("p must be 1 or 2, got " + std::to_string(p));
  // The sum of squares has no root in Caffe2.
  return {.activations = {activation(key, 0, false)}, .run = [p](const std::vector<T>& x) {
            return (p == 1 ? at::abs(x[0]) : at::square(x[0])).sum().reshape({1});
          }};
}

Kernel make_cumulative_sum(const lut::OperatorKey& key, const Target&) {
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", 0), input.shape.size(), false);
  if (arguments(key).flag("exclusive") || arguments(key).flag("reverse")) {
    throw ValueError("exclusive and reverse must be 0 to be measured");
  }
  return {.activations = {input}, .run = [axis](const std::vector<T>& x) { return at::cumsum(x[0], axis); }};
}

Kernel make_top_k(const lut::OperatorKey& key, const Target&) {
  if (key.input_shapes.size() > 1) throw ValueError("TopK with k from a tensor is not measured");
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(arguments(key).integer("axis", -1), input.shape.size(), false);
  const int64_t k = arguments(key).integer("k", 0);
  const int64_t size = input.shape[static_cast<size_t>(axis)];
  if (k < 1 || k > size) {
    throw ValueError("k must be 1 to " + std::to_string(size) + " to be measured, got " + std::to_string(k));
  }
  return {.activations = {input},
          .run = [=](const std::vector<T>& x) { return std::get<0>(at::topk(x[0], k, axis)); }};
}

}  // namespace

std::span<const KernelEntry> reduce_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"ArgMax",
       make_arg_extreme<[](const T& x, int64_t axis, bool keep) { return at::argmax(x, axis, keep); }>},
      {"ArgMin",
       make_arg_extreme<[](const T& x, int64_t axis, bool keep) { return at::argmin(x, axis, keep); }>},
      {"CumSum", make_cumulative_sum},
      {"LpNorm", make_lp_norm},
      {"ReduceBackMax", make_reduce_end<End::kBack, kMax>},
      {"ReduceBackMean", make_reduce_end<End::kBack, kMean>},
      {"ReduceBackSum", make_reduce_end<End::kBack, kSum>},
      {"ReduceFrontMax", make_reduce_end<End::kFront, kMax>},
      {"ReduceFrontMean", make_reduce_end<End::kFront, kMean>},
      {"ReduceFrontSum", make_reduce_end<End::kFront, kSum>},
      {"ReduceL1", make_reduce<kL1>},
      {"ReduceL2", make_reduce<kL2>},
      {"ReduceLogSumExp", make_reduce<kLogSumExp>},
      {"ReduceMax", make_reduce<kMax>},
      {"ReduceMean", make_reduce<kMean>},
      {"ReduceMin", make_reduce<kMin>},
      {"ReduceProd", make_reduce<kProduct>},
      {"ReduceSum", make_reduce<kSum>},
      {"ReduceSumSquare", make_reduce<kSumSquare>},
      {"TopK", make_top_k},
  };
  return kKernels;
}

}  // namespace latgrad::runner
