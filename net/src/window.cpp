#include "window.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

namespace latgrad::net {

bool has_window(std::string_view op_type) {
  const auto drop_prefix = [&op_type](std::string_view part) {
    if (op_type.starts_with(part)) op_type.remove_prefix(part.size());
  };
  const auto drop_suffix = [&op_type](std::string_view part) {
    if (op_type.ends_with(part)) op_type.remove_suffix(part.size());
  };
  drop_prefix("Int8");
  drop_suffix("Relu");
  for (const std::string_view axes : {"1D", "2D", "3D"}) drop_suffix(axes);
  return op_type == "Conv" || op_type == "ConvTranspose" || op_type == "AveragePool" ||
         op_type == "MaxPool" || op_type == "LpPool";
}

namespace {

bool is_int(const Argument& arg) {
  return arg.i && !arg.f && !arg.s && arg.floats.empty() && arg.ints.empty() && arg.strings.empty();
}

bool is_ints(const Argument& arg) {
  return !arg.ints.empty() && !arg.f && !arg.i && !arg.s && arg.floats.empty() && arg.strings.empty();
}

bool says_only(const Argument& arg, int64_t value) {
  if (is_int(arg)) return *arg.i == value;
  return is_ints(arg) && std::ranges::all_of(arg.ints, [value](int64_t i) { return i == value; });
}

bool turns_on_global_pooling(const Argument* arg) {
  return arg->name == "global_pooling" && is_int(*arg) && *arg->i != 0;
}

enum Spelling : size_t {
  kKernels,
  kKernel,
  kKernelH,
  kKernelW,
  kStrides,
  kStride,
  kStrideH,
  kStrideW,
  kDilations,
  kDilation,
  kDilationH,
  kDilationW,
  kPads,
  kPad,
  kPadT,
  kPadL,
  kPadB,
  kPadR,
  kNumSpellings
};

constexpr std::array<std::string_view, kNumSpellings> kSpellings = {
    "kernels",  "kernel",   "kernel_h",  "kernel_w", "strides",    "stride",
    "stride_h", "stride_w", "dilations", "dilation", "dilation_h", "dilation_w",
    "pads",     "pad",      "pad_t",     "pad_l",    "pad_b",      "pad_r"};

std::optional<Spelling> spelling_of(std::string_view name) {
  for (size_t i = 0; i < kNumSpellings; ++i) {
    const std::string_view spelling = kSpellings[i];
    // The first letter tells most of the other names apart without a call.
    if (name.size() == spelling.size() && name[0] == spelling[0] && name == spelling) {
      return static_cast<Spelling>(i);
    }
  }
  return std::nullopt;
}

class WindowReader {
 public:
  WindowReader(std::string_view op_type, std::span<const Argument* const> args)
      : args_(args), may_cover_image_(op_type.find("ConvTranspose") == std::string_view::npos) {
    window_.consumed.assign(args.size(), false);
    given_.fill(kNone);
    for (size_t i = 0; i < args.size(); ++i) {
      if (const auto spelling = spelling_of(args[i]->name)) {
        given_[*spelling] = given_[*spelling] == kNone ? i : kSeveral;
      }
    }
  }

  Window read() {
    if (may_cover_image_ && std::ranges::any_of(args_, turns_on_global_pooling)) return read_image_window();
    window_.kernels = read_sides(kKernels, kKernel, {kKernelH, kKernelW}, std::nullopt, 0);
    const size_t axes = window_.kernels.size();
    window_.strides = read_sides(kStrides, kStride, {kStrideH, kStrideW}, axes, 1);
    window_.dilations = read_sides(kDilations, kDilation, {kDilationH, kDilationW}, axes, 1);
    window_.pads = read_sides(kPads, kPad, {kPadT, kPadL, kPadB, kPadR}, 2 * axes, 0);
    return std::move(window_);
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  static constexpr size_t kSeveral = static_cast<size_t>(-2);

  // The only argument of that spelling, or null.
  const Argument* given(Spelling spelling) const {
    const size_t i = given_[spelling];
    return i == kNone || i == kSeveral ? nullptr : args_[i];
  }

  // A kernel of any kind says nothing. Strides, dilations and pads must be default, so that saying the
  // default says nothing either, for however many axes; what differs stays an argument of its own.
  Window read_image_window() {
    window_.covers_image = true;
    window_.kernels = Sides(2, 0);
    window_.strides = Sides(2, 1);
    window_.dilations = Sides(2, 1);
    window_.pads = Sides(4, 0);
    for (size_t i = 0; i < args_.size(); ++i) {
      const auto spelling = spelling_of(args_[i]->name);
      if (!spelling) continue;
      const bool is_kernel = *spelling < kStrides;
      window_.consumed[i] = is_kernel || says_only(*args_[i], *spelling < kPads ? 1 : 0);
    }
    return std::move(window_);
  }

  void consume(Spelling spelling) { window_.consumed[given_[spelling]] = true; }

  // `count` is the length that the list must have; the kernel's own spelling decides it.
  // `kernel: 3` and its like are two-dimensional, as in Caffe2.
  Sides read_sides(Spelling list_spelling, Spelling single_spelling,
                   std::initializer_list<Spelling> part_spellings, std::optional<size_t> count,
                   int64_t missing) {
    const Argument* list = given(list_spelling);
    if (list != nullptr && is_ints(*list) &&
        (count ? list->ints.size() == *count : list->ints.size() <= kMaxAxes)) {
      consume(list_spelling);
      return Sides(list->ints);
    }
    const size_t planar = part_spellings.size();
    if (count && *count != planar) return Sides(*count, missing);
    const Argument* single = given(single_spelling);
    if (single != nullptr && is_int(*single)) {
      consume(single_spelling);
      return Sides(planar, *single->i);
    }
    Sides parts(planar, missing);
    const bool complete = std::ranges::all_of(part_spellings, [this](Spelling spelling) {
      const Argument* part = given(spelling);
      return part != nullptr && is_int(*part);
    });
    if (complete) {
      size_t side = 0;
      for (const Spelling spelling : part_spellings) {
        consume(spelling);
        parts[side++] = *given(spelling)->i;
      }
    }
    return parts;
  }

  std::span<const Argument* const> args_;
  const bool may_cover_image_;               // a transposed convolution knows no global_pooling
  std::array<size_t, kNumSpellings> given_;  // index into args_
  Window window_;
};

}  // namespace

Window read_window(std::string_view op_type, std::span<const Argument* const> args) {
  return WindowReader(op_type, args).read();
}

}  // namespace latgrad::net
