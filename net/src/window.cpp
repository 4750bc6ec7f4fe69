#include "latgrad/net/window.h"

#include <initializer_list>
#include <utility>

namespace latgrad::net {
namespace {

bool is_int(const Argument& arg) {
  return arg.i && !arg.f && !arg.s && arg.floats.empty() && arg.ints.empty() && arg.strings.empty();
}

// A list without values is none.
bool is_ints(const Argument& arg) {
  return !arg.f && !arg.i && !arg.s && arg.floats.empty() && arg.strings.empty();
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
  kAdjs,
  kAdj,
  kAdjH,
  kAdjW,
  kNumSpellings
};

constexpr std::array<std::string_view, kNumSpellings> kSpellings = {
    "kernels",   "kernel",   "kernel_h",   "kernel_w",   "strides", "stride", "stride_h", "stride_w",
    "dilations", "dilation", "dilation_h", "dilation_w", "pads",    "pad",    "pad_t",    "pad_l",
    "pad_b",     "pad_r",    "adjs",       "adj",        "adj_h",   "adj_w"};

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
  WindowReader(Window& window, WindowKind kind, std::span<const Argument* const> args, size_t axes)
      : window_(window), args_(args), kind_(kind), axes_(axes) {
    window_.consumed.assign(args.size(), false);
    given_.fill(kNone);
    for (size_t i = 0; i < args.size(); ++i) {
      const auto spelling = spelling_of(args[i]->name);
      if (!spelling || (*spelling >= kAdjs && kind != WindowKind::kTransposed)) continue;
      given_[*spelling] = given_[*spelling] == kNone ? i : kSeveral;
    }
  }

  void read() {
    // A transposed convolution knows no global_pooling.
    if (kind_ == WindowKind::kImage && std::ranges::any_of(args_, turns_on_global_pooling)) {
      read_image_window();
      return;
    }
    read_sides(window_.kernels, kKernels, kKernel, {kKernelH, kKernelW}, axes_);
    window_.has_kernel = !window_.kernels.empty();
    if (!window_.has_kernel) window_.kernels = Sides(axes_, 0);
    const size_t axes = window_.kernels.size();
    read_sides(window_.strides, kStrides, kStride, {kStrideH, kStrideW}, axes_);
    if (window_.strides.empty()) window_.strides = Sides(axes, 1);
    read_sides(window_.dilations, kDilations, kDilation, {kDilationH, kDilationW}, axes_);
    if (window_.dilations.empty()) window_.dilations = Sides(axes, 1);
    read_sides(window_.pads, kPads, kPad, {kPadT, kPadL, kPadB, kPadR}, 2 * axes_);
    if (window_.pads.empty()) window_.pads = Sides(2 * axes, 0);
    if (kind_ == WindowKind::kTransposed) {
      read_sides(window_.adjs, kAdjs, kAdj, {kAdjH, kAdjW}, axes_);
      if (window_.adjs.empty()) window_.adjs = Sides(axes, 0);
    }
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
  void read_image_window() {
    window_.covers_image = true;
    window_.kernels = Sides(axes_, 0);
    window_.strides = Sides(axes_, 1);
    window_.dilations = Sides(axes_, 1);
    window_.pads = Sides(2 * axes_, 0);
    for (size_t i = 0; i < args_.size(); ++i) {
      const auto spelling = spelling_of(args_[i]->name);
      if (!spelling || *spelling >= kAdjs) continue;
      const bool is_kernel = *spelling < kStrides;
      window_.consumed[i] = is_kernel || says_only(*args_[i], *spelling < kPads ? 1 : 0);
    }
  }

  // The one integer of that spelling; nothing where it is not given, or of another kind.
  std::optional<int64_t> take(Spelling spelling) {
    const Argument* arg = given(spelling);
    if (arg == nullptr || !is_int(*arg)) return std::nullopt;
    window_.consumed[given_[spelling]] = true;
    return *arg->i;
  }

  // `count`: how many values a single one stands for. `sides` comes empty.
  void read_sides(Sides& sides, Spelling list_spelling, Spelling single_spelling,
                  std::initializer_list<Spelling> part_spellings, size_t count) {
    const Argument* list = given(list_spelling);
    if (list != nullptr && is_ints(*list) && list->ints.size() <= 2 * kMaxAxes) {
      window_.consumed[given_[list_spelling]] = true;
      sides = Sides(list->ints);
    }
    const auto single = take(single_spelling);
    Sides parts;
    for (const Spelling spelling : part_spellings) {
      if (const auto part = take(spelling)) parts.push_back(*part);
    }
    if (single) {
      // Beside a list Caffe2 knows two axes only; alone it stands for as many as the image has.
      sides.resize(sides.empty() ? count : part_spellings.size(), *single);
    } else if (given_[single_spelling] == kNone && parts.size() == part_spellings.size()) {
      for (size_t i = 0; i < parts.size(); ++i) sides.push_back(parts[i]);
    }
  }

  Window& window_;
  std::span<const Argument* const> args_;
  const WindowKind kind_;
  const size_t axes_;
  std::array<size_t, kNumSpellings> given_;  // index into args_
};

}  // namespace

Window read_window(WindowKind kind, std::span<const Argument* const> args, size_t axes) {
  Window window;
  WindowReader(window, kind, args, axes).read();
  return window;
}

}  // namespace latgrad::net
