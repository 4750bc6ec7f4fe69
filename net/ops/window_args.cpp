#include "window_args.h"

#include <fmt/format.h>

#include <array>
#include <string>

namespace latgrad::net::ops {
namespace {

// The values of arguments that only count together; empty where none of them is there.
template <size_t N>
std::vector<int64_t> joint_args(const OpContext& ctx, const std::array<std::string, N>& names) {
  std::vector<int64_t> values;
  std::string missing;
  for (const std::string& name : names) {
    if (ctx.has_arg(name)) {
      values.push_back(ctx.int_arg(name, 0));
    } else {
      missing = name;
    }
  }
  if (!values.empty() && values.size() < N) {
    ctx.fail_at_arg(missing,
                    fmt::format("{} must be given together, got no {}", fmt::join(names, ", "), missing));
  }
  return values;
}

void check_at_least(const OpContext& ctx, const std::vector<int64_t>& values, int64_t minimum,
                    std::string_view name) {
  for (const int64_t value : values) {
    if (value < minimum) {
      ctx.fail_at_arg(name, fmt::format("{} must {}, got {}", name,
                                        minimum == 1 ? "be positive" : "not be negative", value));
    }
  }
}

}  // namespace

std::vector<int64_t> spatial_arg(const OpContext& ctx, std::string_view plural, std::string_view singular,
                                 size_t spatial_rank, int64_t otherwise) {
  std::vector<int64_t> values = ctx.ints_arg(plural);
  if (values.empty() && ctx.has_arg(singular)) values.assign(spatial_rank, ctx.int_arg(singular, 0));
  if (values.empty()) {
    values = joint_args<2>(ctx, {fmt::format("{}_h", singular), fmt::format("{}_w", singular)});
  }
  if (values.empty()) values.assign(spatial_rank, otherwise);
  if (values.size() != spatial_rank) {
    ctx.fail_at_arg(
        plural, fmt::format("{} must have one value for each of the {} spatial dimensions, got {}", plural,
                            spatial_rank, to_string(values)));
  }
  return values;
}

std::vector<int64_t> pads_arg(const OpContext& ctx, size_t spatial_rank) {
  std::vector<int64_t> pads = ctx.ints_arg("pads");
  if (pads.empty() && ctx.has_arg("pad")) pads.assign(2 * spatial_rank, ctx.int_arg("pad", 0));
  if (pads.empty()) pads = joint_args<4>(ctx, {"pad_t", "pad_l", "pad_b", "pad_r"});
  if (pads.empty()) pads.assign(2 * spatial_rank, 0);
  if (pads.size() != 2 * spatial_rank) {
    ctx.fail_at_arg("pads",
                    fmt::format("pads must have two values for each of the {} spatial dimensions, got {}",
                                spatial_rank, to_string(pads)));
  }
  return pads;
}

LegacyPad legacy_pad_arg(const OpContext& ctx) {
  const int64_t value = ctx.int_arg("legacy_pad", 0);
  if (value < 0 || value > 3) {
    ctx.fail_at_arg("legacy_pad", fmt::format("legacy_pad must be 0, 1, 2 or 3, got {}", value));
  }
  const auto legacy_pad = static_cast<LegacyPad>(value);
  if (legacy_pad == LegacyPad::kValid || legacy_pad == LegacyPad::kSame) {
    for (const std::string_view name : {"pad", "pads", "pad_t", "pad_l", "pad_b", "pad_r"}) {
      if (ctx.has_arg(name)) {
        ctx.fail_at_arg(name, fmt::format("{} must not be given beside legacy_pad {}", name, value));
      }
    }
  }
  return legacy_pad;
}

WindowArgs window_args(const OpContext& ctx, size_t spatial_rank) {
  if (!ctx.has_arg("kernel") && !ctx.has_arg("kernels") && !ctx.has_arg("kernel_h") &&
      !ctx.has_arg("kernel_w")) {
    ctx.fail_at_arg("kernel", "the argument kernel (or kernels, or kernel_h and kernel_w) must be given");
  }
  WindowArgs window;
  window.kernel = spatial_arg(ctx, "kernels", "kernel", spatial_rank, 0);
  window.stride = spatial_arg(ctx, "strides", "stride", spatial_rank, 1);
  window.dilation = spatial_arg(ctx, "dilations", "dilation", spatial_rank, 1);
  window.pads = pads_arg(ctx, spatial_rank);
  window.legacy_pad = legacy_pad_arg(ctx);
  check_at_least(ctx, window.kernel, 1, "kernel");
  check_at_least(ctx, window.stride, 1, "stride");
  check_at_least(ctx, window.dilation, 1, "dilation");
  check_at_least(ctx, window.pads, 0, "pad");
  return window;
}

int64_t window_count(const OpContext& ctx, const WindowArgs& window, size_t dim, int64_t size) {
  const int64_t kernel = window.kernel[dim];
  const int64_t stride = window.stride[dim];
  const int64_t extent = window.dilation[dim] * (kernel - 1) + 1;
  const int64_t head = window.pads[dim];
  const int64_t tail = window.pads[window.kernel.size() + dim];
  int64_t room = 0;
  switch (window.legacy_pad) {
    case LegacyPad::kNotSet:
      room = size + head + tail - extent;
      break;
    case LegacyPad::kValid:
      room = size - extent;
      break;
    case LegacyPad::kSame:
      if (window.dilation[dim] != 1) {
        ctx.fail_at_arg("dilation",
                        fmt::format("dilation must be 1 beside legacy_pad 2, got {}", window.dilation[dim]));
      }
      return (size + stride - 1) / stride;
    case LegacyPad::kCaffePooling:
      room = size + 2 * head - kernel;
      break;
  }
  if (room < 0) {
    ctx.fail(
        fmt::format("the kernel must fit into the padded input, got kernel {} with dilation {} on {} of {}",
                    kernel, window.dilation[dim], size, to_string(ctx.activation(0).shape)));
  }
  if (window.legacy_pad != LegacyPad::kCaffePooling) return room / stride + 1;
  // Caffe rounds up, and drops a last window that would start in the padding.
  int64_t count = (room + stride - 1) / stride + 1;
  if (head > 0 && (count - 1) * stride >= size + head) --count;
  return count;
}

Window window_over(const OpContext& ctx, const Shape& spatial) {
  const size_t rank = spatial.size();
  if (ctx.int_arg("global_pooling", 0) != 0) {
    const Shape ones(rank, 1);
    if (pads_arg(ctx, rank) != Shape(2 * rank, 0) || spatial_arg(ctx, "strides", "stride", rank, 1) != ones ||
        spatial_arg(ctx, "dilations", "dilation", rank, 1) != ones) {
      ctx.fail_at_arg("global_pooling", "global_pooling must have pad 0, stride 1 and dilation 1");
    }
    return {spatial, ones};
  }
  const WindowArgs args = window_args(ctx, rank);
  Window window{args.kernel, {}};
  for (size_t dim = 0; dim < rank; ++dim) window.counts.push_back(window_count(ctx, args, dim, spatial[dim]));
  return window;
}

}  // namespace latgrad::net::ops
