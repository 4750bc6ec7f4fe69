#include "latgrad/net/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "latgrad/base/error.h"
#include "latgrad/net/registry.h"
#include "latgrad/net/window.h"

namespace latgrad::net {
namespace {

[[noreturn]] void fail(std::string_view arg, const std::string& message) {
  throw ValueError(message, {.field = std::string(arg)});
}

void check_range(std::string_view name, int64_t value) {
  if (value > kMaxDim || value < -kMaxDim)
    fail(name, fmt::format("{} must fit in 32 bits, got {}", name, value));
}

void check_at_least(std::string_view name, std::span<const int64_t> values, int64_t least) {
  for (const int64_t value : values) {
    check_range(name, value);
    if (value < least) {
      fail(name,
           fmt::format("{} must {}, got {}", name, least == 1 ? "be positive" : "not be negative", value));
    }
  }
}

// The names of one thing: a list, then single values.
struct Names {
  std::string_view list;
  std::string_view single;
  std::array<std::string_view, 4> parts;
};
constexpr Names kKernelNames = {"kernels", "kernel", {"kernel_h", "kernel_w"}};
constexpr Names kStrideNames = {"strides", "stride", {"stride_h", "stride_w"}};
constexpr Names kDilationNames = {"dilations", "dilation", {"dilation_h", "dilation_w"}};
constexpr Names kPadNames = {"pads", "pad", {"pad_t", "pad_l", "pad_b", "pad_r"}};
constexpr Names kAdjNames = {"adjs", "adj", {"adj_h", "adj_w"}};

// Errors: for a spelling that holds no integers.
void check_integers(const Arguments& args, const Names& names) {
  for (const Argument& arg : args.all()) {
    if (!arg.name.starts_with(names.list[0])) continue;  // tells most others apart without a call
    if (arg.name == names.list) {
      args.integers(arg.name);
    } else if (arg.name == names.single || std::ranges::find(names.parts, arg.name) != names.parts.end()) {
      args.integer(arg.name, 0);
    }
  }
}

// What the spellings give together, which must be `each` values for every spatial dimension.
std::vector<int64_t> sides_of(const Arguments& args, const Names& names, const Sides& sides,
                              size_t spatial_rank, size_t each = 1) {
  check_integers(args, names);
  const std::span<const int64_t> values = sides;
  if (values.size() != each * spatial_rank) {
    fail(names.list, fmt::format("{} must have {} for each of the {} spatial dimensions, got {}", names.list,
                                 each == 1 ? "one value" : "two values", spatial_rank,
                                 to_string(Shape(values.begin(), values.end()))));
  }
  return {values.begin(), values.end()};
}

struct ReadWindow {
  std::vector<const Argument*> args;  // each once
  Window window;
};

ReadWindow window_of(const Arguments& args, size_t spatial_rank) {
  if (spatial_rank < 1 || spatial_rank > kMaxAxes) {
    fail("", fmt::format("an image must have 1 to {} spatial dimensions, got {}", kMaxAxes, spatial_rank));
  }
  ReadWindow read;
  for (const Argument& arg : args.all()) {
    const auto repeats = [&arg](const Argument* other) { return *other == arg; };
    if (std::ranges::none_of(read.args, repeats)) read.args.push_back(&arg);
  }
  read.window = read_window(window_kind(args.op_type()), read.args, spatial_rank);
  return read;
}

std::vector<int64_t> sides_of_pads(const Arguments& args, const Window& window, size_t spatial_rank) {
  return sides_of(args, kPadNames, window.pads, spatial_rank, 2);
}

LegacyPad legacy_pad_of(const Arguments& args) {
  const int64_t value = args.integer("legacy_pad", 0);
  if (value < 0 || value > 3) {
    fail("legacy_pad", fmt::format("legacy_pad must be 0, 1, 2 or 3, got {}", value));
  }
  const auto legacy_pad = static_cast<LegacyPad>(value);
  if (legacy_pad == LegacyPad::kValid || legacy_pad == LegacyPad::kSame) {
    const bool has_parts = args.has("pad_t") && args.has("pad_l") && args.has("pad_b") && args.has("pad_r");
    if (args.has("pad") || args.has("pads") || has_parts) {
      fail("legacy_pad", fmt::format("pads must not be given together with legacy_pad {}", value));
    }
  }
  return legacy_pad;
}

void check_nothing_beside_global_pooling(const ReadWindow& read) {
  for (const Names& names : {kStrideNames, kDilationNames, kPadNames}) {
    for (size_t i = 0; i < read.args.size(); ++i) {
      const std::string& name = read.args[i]->name;
      const bool is_one = name == names.list || name == names.single ||
                          std::ranges::find(names.parts, name) != names.parts.end();
      if (is_one && !read.window.consumed[i]) {
        fail("global_pooling", "global_pooling must have pad 0, stride 1 and dilation 1");
      }
    }
  }
}

// One spatial dimension of a window: its padding and how often it fits.
struct Fit {
  int64_t head = 0;
  int64_t tail = 0;
  int64_t count = 0;
};

Fit fit(const SpatialArguments& window, size_t dim, const Shape& spatial) {
  const int64_t size = spatial[dim];
  const int64_t kernel = window.kernel[dim];
  const int64_t stride = window.stride[dim];
  const int64_t extent = window.dilation[dim] * (kernel - 1) + 1;
  Fit fit{.head = window.pads[dim], .tail = window.pads[window.kernel.size() + dim]};
  const auto standard_count = [&](int64_t room) { return room < 0 ? 0 : room / stride + 1; };
  switch (window.legacy_pad) {
    case LegacyPad::kNotSet:
      fit.count = standard_count(size + fit.head + fit.tail - extent);
      break;
    case LegacyPad::kValid:
      fit.head = fit.tail = 0;
      fit.count = standard_count(size - extent);
      break;
    case LegacyPad::kSame: {
      if (window.dilation[dim] != 1) {
        fail("dilation", fmt::format("dilation must be 1 with legacy_pad 2, got {}", window.dilation[dim]));
      }
      fit.count = (size + stride - 1) / stride;
      const int64_t needed = (fit.count - 1) * stride + kernel - size;
      fit.head = needed / 2;
      fit.tail = needed - fit.head;
      break;
    }
    case LegacyPad::kCaffePooling: {
      // Caffe rounds up, so the last window may reach beyond the image; it drops one that would start in the
      // padding.
      const int64_t room = size + 2 * fit.head - kernel + stride;
      fit.count = room <= 0 ? 0 : (room + stride - 1) / stride;
      if (fit.head > 0 && (fit.count - 1) * stride >= size + fit.head) --fit.count;
      // More rows at the end, as many as Caffe2's own count lacks.
      fit.tail = fit.head + stride * (fit.count - standard_count(size + 2 * fit.head - extent));
      break;
    }
  }
  if (fit.count < 1) {
    fail("",
         fmt::format("the kernel must fit in the padded input, got kernel {} with dilation {} on {} of {}",
                     kernel, window.dilation[dim], size, to_string(spatial)));
  }
  return fit;
}

}  // namespace

Order default_order(std::string_view op_type) {
  return op_type.starts_with("Int8") ? Order::kNhwc : Order::kNchw;
}

std::string_view to_string(Order order) { return order == Order::kNchw ? "NCHW" : "NHWC"; }

const Argument* Arguments::find(std::string_view name) const {
  const auto it = std::ranges::find(args_, name, &Argument::name);
  return it == args_.end() ? nullptr : &*it;
}

int64_t Arguments::integer(std::string_view name, int64_t otherwise) const {
  const Argument* arg = find(name);
  if (arg == nullptr) return otherwise;
  if (!arg->i) fail(name, fmt::format("{} must be an integer", name));
  check_range(name, *arg->i);
  return *arg->i;
}

float Arguments::number(std::string_view name, float otherwise) const {
  const Argument* arg = find(name);
  if (arg == nullptr) return otherwise;
  if (!arg->f) fail(name, fmt::format("{} must be a float", name));
  return *arg->f;
}

std::string_view Arguments::text(std::string_view name, std::string_view otherwise) const {
  const Argument* arg = find(name);
  if (arg == nullptr) return otherwise;
  if (!arg->s) fail(name, fmt::format("{} must be a string", name));
  return *arg->s;
}

std::vector<int64_t> Arguments::integers(std::string_view name) const {
  const Argument* arg = find(name);
  if (arg == nullptr) return {};
  if (arg->f || arg->i || arg->s || !arg->floats.empty() || !arg->strings.empty()) {
    fail(name, fmt::format("{} must be a list of integers", name));
  }
  for (const int64_t value : arg->ints) check_range(name, value);
  return arg->ints;
}

Order Arguments::order() const {
  const Argument* arg = find("order");
  if (arg == nullptr) return default_order(op_type_);
  const std::string value = arg->s.value_or("");
  if (value == "NCHW" || value == "nchw") return Order::kNchw;
  if (value == "NHWC" || value == "nhwc") return Order::kNhwc;
  fail("order", fmt::format("order must be NCHW or NHWC, got \"{}\"", value));
}

int64_t join_axis(const Arguments& args) {
  if (args.has("axis")) return args.integer("axis", 0);
  // Caffe2's Int8Concat joins along the first axis when it is told neither axis nor order.
  if (args.op_type() == "Int8Concat" && !args.has("order")) return 0;
  return args.is_nhwc() ? 3 : 1;
}

size_t broadcast_axis(const Arguments& args, size_t rank, size_t other_rank) {
  if (other_rank > rank) {
    fail("broadcast",
         fmt::format("the second input must not have more dimensions than the first, got {} and {}",
                     other_rank, rank));
  }
  const auto last = static_cast<int64_t>(rank - other_rank);
  int64_t axis = args.integer("axis", -1);
  if (const std::string_view letter = args.text("axis_str", ""); !letter.empty()) {
    const std::string_view letters = to_string(args.order());
    const size_t at = letter.size() == 1 ? letters.find(letter) : letters.npos;
    if (at == letters.npos) {
      fail("axis_str", fmt::format("axis_str must be one letter of {}, got \"{}\"", letters, letter));
    }
    axis = static_cast<int64_t>(at);
  }
  if (axis == -1) axis = last;
  if (axis < 0 || axis > last) {
    fail("axis", fmt::format("axis must be between 0 and {}, got {}", last, axis));
  }
  return static_cast<size_t>(axis);
}

std::vector<int64_t> pads_of(const Arguments& args, size_t spatial_rank) {
  return sides_of_pads(args, window_of(args, spatial_rank).window, spatial_rank);
}

SpatialArguments spatial_arguments(const Arguments& args, size_t spatial_rank) {
  const ReadWindow read = window_of(args, spatial_rank);
  const Window& window = read.window;
  const auto sides = [&](const Names& names, const Sides& values) {
    return sides_of(args, names, values, spatial_rank);
  };
  SpatialArguments spatial;
  spatial.covers_image = window.covers_image;
  if (window.covers_image) {
    check_nothing_beside_global_pooling(read);
    spatial.kernel.assign(spatial_rank, 0);
  } else {
    spatial.kernel = sides(kKernelNames, window.kernels);
    if (!window.has_kernel) {
      fail("kernel", "the argument kernel (or kernels, or kernel_h and kernel_w) must be given");
    }
    check_at_least("kernel", spatial.kernel, 1);
  }
  spatial.stride = sides(kStrideNames, window.strides);
  spatial.dilation = sides(kDilationNames, window.dilations);
  spatial.pads = sides_of_pads(args, window, spatial_rank);
  if (window_kind(args.op_type()) == WindowKind::kTransposed) spatial.adj = sides(kAdjNames, window.adjs);
  spatial.legacy_pad = legacy_pad_of(args);
  check_at_least("stride", spatial.stride, 1);
  check_at_least("dilation", spatial.dilation, 1);
  check_at_least("pad", spatial.pads, 0);
  return spatial;
}

AppliedWindow window_over(const Arguments& args, const Shape& spatial) {
  const SpatialArguments window = spatial_arguments(args, spatial.size());
  AppliedWindow applied{window.kernel, window.stride, window.dilation, window.pads, {}};
  if (window.covers_image) {
    applied.kernel = spatial;
    applied.counts.assign(spatial.size(), 1);
    return applied;
  }
  for (size_t dim = 0; dim < spatial.size(); ++dim) {
    const Fit fitted = fit(window, dim, spatial);
    applied.pads[dim] = fitted.head;
    applied.pads[spatial.size() + dim] = fitted.tail;
    applied.counts.push_back(fitted.count);
  }
  return applied;
}

}  // namespace latgrad::net
