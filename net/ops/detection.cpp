// What detectors are made of beside convolutions. How many boxes there are is known only when the network
// runs; behind them shapes are given (--input rois=100,5). Source:
// caffe2/operators/{roi_align_op,roi_pool_op,bbox_transform_op,generate_proposals_op,box_with_nms_limit_op,
// batch_permutation_op,heatmap_max_keypoint_op}.cc, quantized/int8_roi_align_op.h.

#include <fmt/format.h>

#include "rows.h"

namespace latgrad::net::ops {
namespace {

void check_boxes(const OpContext& ctx, size_t input) {
  const Shape& boxes = ctx.activation(input).shape;
  if (boxes.size() != 2 || boxes[1] < 4 || boxes[1] > 6) {
    ctx.fail_at_input(input, fmt::format("boxes must be [count, 4 to 6], got {}", to_string(boxes)));
  }
}

// The part of the image in each box, resampled to one size.
void roi_align(OpContext& ctx) {
  const Shape& image = ctx.activation(0, 4).shape;
  check_boxes(ctx, 1);
  const int64_t boxes = ctx.activation(1).shape[0];
  const int64_t channels = image[ctx.channel_axis(image.size())];
  const int64_t height = ctx.args().integer("pooled_h", 1);
  const int64_t width = ctx.args().integer("pooled_w", 1);
  if (height < 1 || width < 1) {
    ctx.fail_at_arg("pooled_h",
                    fmt::format("pooled_h and pooled_w must be positive, got {} and {}", height, width));
  }
  const Shape shape =
      ctx.args().is_nhwc() ? Shape{boxes, height, width, channels} : Shape{boxes, channels, height, width};
  ctx.add_output(shape);
  // RoIPool says where each maximum was.
  if (ctx.num_outputs() > 1) ctx.add_output({shape, DataType::kInt32});
}

// Boxes moved by deltas, for each class.
void bbox_transform(OpContext& ctx) {
  check_boxes(ctx, 0);
  const Shape& deltas = ctx.activation(1, 2).shape;
  const int64_t images = ctx.activation(2, 1).shape[0];
  ctx.add_output(deltas);
  if (ctx.num_outputs() > 1) ctx.add_output({{images}, DataType::kFloat});
}

void batch_permutation(OpContext& ctx) { ctx.add_output(ctx.activation(0).shape); }

// For each keypoint of each box: x, y, logit, probability.
void heatmap_max_keypoint(OpContext& ctx) {
  const Shape& heatmaps = ctx.activation(0, 4).shape;
  ctx.add_output(Shape{heatmaps[0], 4, heatmaps[1]});
}

void count_of_boxes(OpContext& ctx) { ctx.fail_unknown(0, "the number of boxes"); }

constexpr DefaultArgument kRoi[] = {{"spatial_scale", 1.0F},
                                    {"pooled_h", int64_t{1}},
                                    {"pooled_w", int64_t{1}},
                                    {"sampling_ratio", int64_t{-1}},
                                    {"aligned", int64_t{0}}};
constexpr DefaultArgument kRoiPool[] = {
    {"spatial_scale", 1.0F}, {"pooled_h", int64_t{1}}, {"pooled_w", int64_t{1}}, {"is_test", int64_t{0}}};
// Behind the scores, deltas and the image's size: the anchors.
constexpr InputSet kFirstThree = 7;

constexpr OperatorType kRows[] = {
    {.type = "BBoxTransform",
     .inputs = {3, 3},
     .outputs = {1, 2},
     .activations = kAll,
     .infer = bbox_transform},
    {.type = "BatchPermutation", .inputs = {2, 2}, .activations = kAll, .infer = batch_permutation},
    {.type = "BoxWithNMSLimit",
     .inputs = {2, 3},
     .outputs = {3, 6},
     .activations = kAll,
     .infer = count_of_boxes},
    {.type = "CollectAndDistributeFpnRpnProposals",
     .inputs = {2, kAny},
     .outputs = {1, kAny},
     .activations = kAll,
     .infer = count_of_boxes},
    {.type = "CollectRpnProposals", .inputs = {2, kAny}, .activations = kAll, .infer = count_of_boxes},
    {.type = "DistributeFpnProposals", .outputs = {1, kAny}, .infer = count_of_boxes},
    {.type = "GenerateProposals",
     .inputs = {4, 4},
     .outputs = {2, 2},
     .activations = kFirstThree,
     .infer = count_of_boxes},
    {.type = "GenerateProposalsCPP",
     .inputs = {4, 4},
     .outputs = {2, 2},
     .activations = kFirstThree,
     .infer = count_of_boxes},
    {.type = "HeatmapMaxKeypoint", .inputs = {2, 2}, .activations = kAll, .infer = heatmap_max_keypoint},
    {.type = "RoIAlign", .inputs = {2, 2}, .activations = kAll, .defaults = kRoi, .infer = roi_align},
    {.type = "RoIAlignRotated", .inputs = {2, 2}, .activations = kAll, .defaults = kRoi, .infer = roi_align},
    {.type = "RoIPool",
     .inputs = {2, 2},
     .outputs = {1, 2},
     .activations = kAll,
     .defaults = kRoiPool,
     .infer = roi_align},
    {.type = "Int8RoIAlign", .inputs = {2, 2}, .activations = kAll, .defaults = kRoi, .infer = roi_align},
};

}  // namespace

std::span<const OperatorType> detection_rows() { return kRows; }

}  // namespace latgrad::net::ops
