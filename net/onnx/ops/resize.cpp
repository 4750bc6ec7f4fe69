// Resize and Upsample.

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "lowering_rows.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

// A factor that gives `size` as Caffe2 computes it: in single precision, rounded down.
float scale_to(int64_t from, int64_t size) {
  float scale = static_cast<float>(static_cast<double>(size) / static_cast<double>(from));
  while (static_cast<int64_t>(static_cast<float>(from) * scale) < size) {
    scale = std::nextafter(scale, std::numeric_limits<float>::max());
  }
  return scale;
}

// The output's shape, from the sizes or scales of all dimensions or of `axes`.
Shape resized(const OnnxNode& node) {
  Shape shape = node.shape(0);
  std::vector<int64_t> axes = node.integers("axes");
  if (axes.empty()) {
    for (size_t i = 0; i < shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  const bool has_roi = node.type() == "Resize" && node.opset() >= 11;
  const size_t scales_at = has_roi ? 2 : 1;
  std::vector<double> scales;
  if (const onnx::AttributeProto* attribute = node.find("scales"); attribute != nullptr) {
    scales.assign(attribute->floats().begin(), attribute->floats().end());
  } else if (node.has_input(scales_at)) {
    if (node.values(scales_at) == nullptr) throw UnknownShape();
    scales = *node.values(scales_at);
  }
  const std::vector<int64_t> sizes = node.has_input(3) ? node.known_integers(3) : std::vector<int64_t>();
  const size_t count = sizes.empty() ? scales.size() : sizes.size();
  if (count != axes.size()) {
    node.fail(fmt::format("the sizes or scales must have {} values, got {}", axes.size(), count));
  }
  if (!sizes.empty() && node.text("keep_aspect_ratio_policy", "stretch") != "stretch") {
    node.fail("keep_aspect_ratio_policy must be stretch");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t& dim = shape[static_cast<size_t>(node.axis(axes[i], shape.size()))];
    // In single precision, as ONNX Runtime computes it.
    const double size = sizes.empty() ? std::floor(static_cast<float>(dim) * static_cast<float>(scales[i]))
                                      : static_cast<double>(sizes[i]);
    if (dim < 1 || !(size >= 1) || !(size <= static_cast<double>(kMaxDim))) {
      node.fail(fmt::format("a dimension must be resized to 1 to 2^31 - 1, got {} to {}", dim, size));
    }
    dim = static_cast<int64_t>(size);
  }
  return shape;
}

void resize(OnnxNode& node, std::string_view) {
  const Shape input = node.shape(0);
  const Shape output = resized(node);
  const std::string mode(node.text("mode", "nearest"));
  const bool is_image = input.size() == 4 && input[0] == output[0] && input[1] == output[1];
  if (is_image && (mode == "nearest" || mode == "linear" || mode == "bilinear")) {
    Operator op = node.as(mode == "nearest" ? "ResizeNearest" : "UpsampleBilinear", {0});
    add_number(op, "height_scale", scale_to(input[2], output[2]), 1.0F);
    add_number(op, "width_scale", scale_to(input[3], output[3]), 1.0F);
    return node.emit(std::move(op));
  }
  Operator op = node.as("Resize", {0});
  op.args.push_back(Argument::of_string("mode", mode));
  op.args.push_back(integers_argument("sizes", output));
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"Resize", "ResizeNearest, UpsampleBilinear, Resize", resize},
    {"Upsample", "ResizeNearest, UpsampleBilinear, Resize", resize},
};

// To sizes: what a factor gives is the same for every reader then.
void write_resize(NodeWriter& writer, std::string_view target) {
  const bool is_image = !writer.args().has("sizes");
  const bool is_bilinear = writer.op_type().ends_with("Bilinear");
  onnx::NodeProto& node = writer.add(
      target, {writer.input(0), "", "", writer.integers(writer.output_shape())}, {writer.output()});
  if (!is_image) return set_text(node, "mode", writer.args().text("mode", "nearest"));
  set_text(node, "mode", is_bilinear ? "linear" : "nearest");
  set_text(node, "coordinate_transformation_mode", is_bilinear ? "align_corners" : "asymmetric");
  if (!is_bilinear) set_text(node, "nearest_mode", "floor");
}

constexpr WritingRow kWriting[] = {
    {"Resize", "Resize", write_resize},
    {"ResizeNearest", "Resize", write_resize, Dimensions::kImage},
    {"UpsampleBilinear", "Resize", write_resize, Dimensions::kImage},
    {"UpsampleNearest", "Resize", write_resize, Dimensions::kImage},
};

}  // namespace

std::span<const LoweringRow> resize_lowering() { return kLowering; }
std::span<const WritingRow> resize_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
