#include "operator_args.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string>

#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

const net::Argument* find_arg(const lut::OperatorKey& key, std::string_view name) {
  for (const net::Argument& arg : key.args) {
    if (arg.name == name) return &arg;
  }
  return nullptr;
}

// One spelling of a spatial argument: `kernel` for all axes, `kernels` as a list, `kernel_h` and so on, which
// images alone have.
struct Spelling {
  std::string_view all;
  std::string_view list;
  std::span<const std::string_view> each;
};

void read_axes(const lut::OperatorKey& key, const Spelling& spelling, int64_t least,
               std::vector<int64_t>& values) {
  if (const net::Argument* arg = find_arg(key, spelling.list); arg != nullptr && !arg->ints.empty()) {
    if (arg->ints.size() != values.size()) {
      throw ValueError(
          fmt::format("{} must have {} values, got {}", spelling.list, values.size(), arg->ints.size()));
    }
    values = arg->ints;
  } else {
    for (size_t axis = 0; axis < values.size(); ++axis) {
      values[axis] = int_arg(key, spelling.all, values[axis]);
      if (spelling.each.size() == values.size())
        values[axis] = int_arg(key, spelling.each[axis], values[axis]);
    }
  }
  for (int64_t value : values) {
    if (value < least)
      throw ValueError(fmt::format("{} must be at least {}, got {}", spelling.all, least, value));
  }
}

constexpr std::string_view kKernelEach[] = {"kernel_h", "kernel_w"};
constexpr std::string_view kStrideEach[] = {"stride_h", "stride_w"};
constexpr std::string_view kDilationEach[] = {"dilation_h", "dilation_w"};
constexpr std::string_view kAdjEach[] = {"adj_h", "adj_w"};
constexpr std::string_view kPadEach[] = {"pad_t", "pad_l", "pad_b", "pad_r"};

}  // namespace

int64_t int_arg(const lut::OperatorKey& key, std::string_view name, int64_t otherwise) {
  const net::Argument* arg = find_arg(key, name);
  return arg != nullptr && arg->i ? *arg->i : otherwise;
}

double float_arg(const lut::OperatorKey& key, std::string_view name, double otherwise) {
  const net::Argument* arg = find_arg(key, name);
  return arg != nullptr && arg->f ? *arg->f : otherwise;
}

std::vector<int64_t> ints_arg(const lut::OperatorKey& key, std::string_view name) {
  const net::Argument* arg = find_arg(key, name);
  return arg != nullptr ? arg->ints : std::vector<int64_t>{};
}

std::string_view string_arg(const lut::OperatorKey& key, std::string_view name, std::string_view otherwise) {
  const net::Argument* arg = find_arg(key, name);
  return arg != nullptr && arg->s ? std::string_view(*arg->s) : otherwise;
}

bool has_arg(const lut::OperatorKey& key, std::string_view name) { return find_arg(key, name) != nullptr; }

bool is_int8(const lut::OperatorKey& key) { return key.op_type.starts_with("Int8"); }

bool is_nhwc(const lut::OperatorKey& key) {
  const std::string_view order = string_arg(key, "order", is_int8(key) ? "NHWC" : "NCHW");
  if (order == "NHWC" || order == "nhwc") return true;
  if (order == "NCHW" || order == "nchw") return false;
  throw ValueError(fmt::format("order must be NCHW or NHWC, got \"{}\"", order));
}

bool SpatialArgs::is_symmetric() const {
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2);
  return std::equal(pads.begin(), middle, middle);
}

std::vector<int64_t> SpatialArgs::symmetric_pad() const {
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2);
  if (is_symmetric()) return {pads.begin(), middle};
  if (pads.size() == 4) {
    throw ValueError(
        fmt::format("pads must be equal on opposite sides, got top {}, left {}, bottom {}, right {}", pads[0],
                    pads[1], pads[2], pads[3]));
  }
  throw ValueError(fmt::format("pads must be equal on opposite sides, got {}", fmt::join(pads, ", ")));
}

SpatialArgs spatial_args(const lut::OperatorKey& key, size_t spatial_rank) {
  const std::vector<int64_t> ones(spatial_rank, 1);
  SpatialArgs args{.kernel = ones,
                   .stride = ones,
                   .dilation = ones,
                   .pads = std::vector<int64_t>(2 * spatial_rank, 0),
                   .adj = std::vector<int64_t>(spatial_rank, 0),
                   .nhwc = is_nhwc(key)};
  args.global_pooling = int_arg(key, "global_pooling", 0) != 0;
  // A global pool may carry `kernel: 0`; its kernel is never read.
  if (!args.global_pooling) read_axes(key, {"kernel", "kernels", kKernelEach}, 1, args.kernel);
  read_axes(key, {"stride", "strides", kStrideEach}, 1, args.stride);
  read_axes(key, {"dilation", "dilations", kDilationEach}, 1, args.dilation);
  read_axes(key, {"pad", "pads", kPadEach}, 0, args.pads);
  read_axes(key, {"adj", "adjs", kAdjEach}, 0, args.adj);
  args.group = int_arg(key, "group", 1);
  if (args.group < 1) throw ValueError(fmt::format("group must be at least 1, got {}", args.group));
  if (int64_t legacy_pad = int_arg(key, "legacy_pad", 0); legacy_pad != 0) {
    throw ValueError(fmt::format("legacy_pad must be 0 to be measured, got {}", legacy_pad));
  }
  return args;
}

}  // namespace latgrad::runner
