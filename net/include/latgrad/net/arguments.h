// Reads the arguments of an operator, for shape inference and kernels. Operator keys read windows by the same
// rule (window.h).
//
//   Arguments args("Conv", op.args);
//   args.integer("group", 1);
//   AppliedWindow window = window_over(args, {224, 224});    // kernel, stride, the resulting padding
//
// Errors: ValueError naming the argument. Thread-safe: no state.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "latgrad/net/net.h"

namespace latgrad::net {

enum class Order { kNchw, kNhwc };

// The default without the argument `order`: int8 operators support only NHWC. Source:
// caffe2/operators/quantized/.
Order default_order(std::string_view op_type);
std::string_view to_string(Order order);  // "NCHW"

class Arguments {
 public:
  // Both must outlive the object.
  Arguments(std::string_view op_type, std::span<const Argument> args) : op_type_(op_type), args_(args) {}

  std::string_view op_type() const { return op_type_; }
  std::span<const Argument> all() const { return args_; }

  const Argument* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }

  // Errors (all of them): where the argument holds another kind of value. Integers must fit 32 bits.
  int64_t integer(std::string_view name, int64_t otherwise) const;
  bool flag(std::string_view name) const { return integer(name, 0) != 0; }
  float number(std::string_view name, float otherwise) const;
  std::string_view text(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> integers(std::string_view name) const;  // empty: none
  Order order() const;
  bool is_nhwc() const { return order() == Order::kNhwc; }

 private:
  std::string_view op_type_;
  std::span<const Argument> args_;
};

// Where Concat and Split join and cut: the argument `axis`, else the channels. Negative ones count from the
// back. Source: caffe2/operators/concat_split_op.h, quantized/int8_concat_op.h.
int64_t join_axis(const Arguments& args);

// With `broadcast: 1` the second operand is a contiguous part of the first: from which axis on.
// Errors: for an axis that leaves no room for it. Source: caffe2/operators/elementwise_ops.h.
size_t broadcast_axis(const Arguments& args, size_t rank, size_t other_rank);

// Source: caffe2/proto/caffe2_legacy.proto.
enum class LegacyPad { kNotSet = 0, kValid = 1, kSame = 2, kCaffePooling = 3 };

// The window as written, after checks, for images with this number of spatial dimensions.
struct SpatialArguments {
  std::vector<int64_t> kernel;    // one per spatial dimension; zeros where the window covers the image
  std::vector<int64_t> stride;    // likewise
  std::vector<int64_t> dilation;  // likewise
  std::vector<int64_t> pads;      // all heads, then all tails: t, l, b, r
  std::vector<int64_t> adj;       // of a transposed convolution; else empty
  LegacyPad legacy_pad = LegacyPad::kNotSet;
  bool covers_image = false;  // global_pooling
};

// Errors: a missing kernel; a kernel, stride or dilation below 1; a pad below 0; lists of another length;
// pads together with legacy_pad 1 or 2, or anything together with global_pooling.
SpatialArguments spatial_arguments(const Arguments& args, size_t spatial_rank);

// Only heads and tails, which may be negative: for PadImage.
std::vector<int64_t> pads_of(const Arguments& args, size_t spatial_rank);

// The window over an image of known size.
struct AppliedWindow {
  std::vector<int64_t> kernel;
  std::vector<int64_t> stride;
  std::vector<int64_t> dilation;
  std::vector<int64_t> pads;  // heads, then tails, as legacy_pad makes them; tails of SAME may be negative
  Shape counts;               // output size of each spatial dimension
};

// Of a convolution or pool. Errors: as spatial_arguments; where no window fits.
// Source: caffe2/operators/conv_pool_op_base.h, ComputeSizeAndPad.
AppliedWindow window_over(const Arguments& args, const Shape& spatial);

}  // namespace latgrad::net
