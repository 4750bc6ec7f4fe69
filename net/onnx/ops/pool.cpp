// MaxPool, AveragePool, their global forms, Pad.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"
#include "window.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

void pool(OnnxNode& node, std::string_view target) {
  const OnnxWindow window =
      read_window(node, spatial_dims(node, node.shape(0)), node.integers("kernel_shape"));
  // Where each maximum was is read by few.
  Operator op = node.num_outputs() > 1 ? node.as("MaxPoolWithIndex") : node.as(target);
  add_window(op, window);
  const bool has_pads = std::ranges::any_of(window.pads, [](int64_t pad) { return pad != 0; });
  if (has_pads) add_integer(op, "count_include_pad", node.integer("count_include_pad", 0), 0);
  add_number(op, "p", static_cast<float>(node.integer("p", 2)), 2.0F);
  node.emit(std::move(op));
}

void global_pool(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  op.args.push_back(Argument::of_int("global_pooling", 1));
  add_number(op, "p", static_cast<float>(node.integer("p", 2)), 2.0F);
  node.emit(std::move(op));
}

// Of the spatial dimensions of an image: PadImage. Elsewhere ONNX's own Pad.
void pad(OnnxNode& node, std::string_view) {
  const Shape& shape = node.shape(0);
  std::vector<int64_t> pads = node.integers_at("pads", 1).value_or(std::vector<int64_t>());
  if (const std::vector<int64_t> axes = node.has_input(3) ? node.known_integers(3) : std::vector<int64_t>();
      node.has_input(3)) {
    if (pads.size() != 2 * axes.size()) {
      node.fail(fmt::format("pads must have two values for each of the {} axes, got {}", axes.size(),
                            to_string(pads)));
    }
    std::vector<int64_t> all(2 * shape.size(), 0);
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<size_t>(node.axis(axes[i], shape.size()));
      all[axis] = pads[i];
      all[shape.size() + axis] = pads[axes.size() + i];
    }
    pads = std::move(all);
  }
  if (pads.size() != 2 * shape.size()) {
    node.fail(fmt::format("pads must have two values for each dimension of {}, got {}", to_string(shape),
                          to_string(pads)));
  }
  if (std::ranges::all_of(pads, [](int64_t pad) { return pad == 0; })) return node.pass();
  const std::string mode(node.text("mode", "constant"));
  const double value = mode == "constant" ? node.number_at("value", 2).value_or(0) : 0;
  const bool is_image = shape.size() == 4 && (mode == "constant" || mode == "reflect" || mode == "edge") &&
                        pads[0] == 0 && pads[1] == 0 && pads[4] == 0 && pads[5] == 0;
  Operator op = node.as(is_image ? "PadImage" : "Pad", {0});
  if (is_image) pads = {pads[2], pads[3], pads[6], pads[7]};
  op.args.push_back(integers_argument("pads", std::move(pads)));
  if (mode != "constant") op.args.push_back(Argument::of_string("mode", mode));
  add_number(op, "value", static_cast<float>(value), 0.0F);
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"AveragePool", "AveragePool", pool},
    {"GlobalAveragePool", "AveragePool", global_pool},
    {"GlobalLpPool", "LpPool", global_pool},
    {"GlobalMaxPool", "MaxPool", global_pool},
    {"LpPool", "LpPool", pool},
    {"MaxPool", "MaxPool", pool},
    {"Pad", "PadImage, Pad", pad},
};

void write_pool(NodeWriter& writer, std::string_view target) {
  const Arguments& args = writer.args();
  const bool is_average = target == "AveragePool";
  const bool is_lp = target == "LpPool";
  if (args.flag("global_pooling")) {
    onnx::NodeProto& node = writer.add(fmt::format("Global{}", target));
    if (is_lp) set_integer(node, "p", static_cast<int64_t>(args.number("p", 2)));
    return;
  }
  const Shape& shape = writer.shape(0);
  std::vector<std::string> outputs = {writer.output()};
  if (writer.num_outputs() > 1) outputs.push_back(writer.output(1));
  onnx::NodeProto& node = writer.add(target, {writer.input(0)}, std::move(outputs));
  set_window(node, window_over(args, {shape.begin() + 2, shape.end()}));
  if (is_average && args.flag("count_include_pad")) set_integer(node, "count_include_pad", 1);
  if (is_lp) set_integer(node, "p", static_cast<int64_t>(args.number("p", 2)));
}

void add_pad(NodeWriter& writer, const std::vector<int64_t>& pads) {
  std::vector<std::string> inputs = {writer.input(0), writer.integers(pads)};
  const std::string_view mode = writer.args().text("mode", "constant");
  const float value = writer.args().number("value", 0);
  if (mode == "constant" && value != 0) inputs.push_back(writer.scalar(value, writer.info(0).dtype));
  set_text(writer.add("Pad", std::move(inputs), {writer.output()}), "mode", mode);
}

void write_pad_image(NodeWriter& writer, std::string_view) {
  const size_t rank = writer.shape(0).size() - 2;
  const std::vector<int64_t> spatial = pads_of(writer.args(), rank);
  std::vector<int64_t> pads(2 * (rank + 2), 0);
  for (size_t dim = 0; dim < rank; ++dim) {
    pads[2 + dim] = spatial[dim];
    pads[rank + 4 + dim] = spatial[rank + dim];
  }
  add_pad(writer, pads);
}

void write_pad(NodeWriter& writer, std::string_view) { add_pad(writer, writer.args().integers("pads")); }

constexpr WritingRow kWriting[] = {
    {"AveragePool", "AveragePool", write_pool, Dimensions::kImage},
    {"AveragePool1D", "AveragePool", write_pool, Dimensions::kImage},
    {"AveragePool2D", "AveragePool", write_pool, Dimensions::kImage},
    {"AveragePool3D", "AveragePool", write_pool, Dimensions::kImage},
    {"LpPool", "LpPool", write_pool, Dimensions::kImage},
    {"MaxPool", "MaxPool", write_pool, Dimensions::kImage},
    {"MaxPool1D", "MaxPool", write_pool, Dimensions::kImage},
    {"MaxPool2D", "MaxPool", write_pool, Dimensions::kImage},
    {"MaxPool3D", "MaxPool", write_pool, Dimensions::kImage},
    {"MaxPoolWithIndex", "MaxPool", write_pool, Dimensions::kImage},
    {"Pad", "Pad", write_pad},
    {"PadImage", "Pad", write_pad_image, Dimensions::kImage},
};

}  // namespace

std::span<const LoweringRow> pool_lowering() { return kLowering; }
std::span<const WritingRow> pool_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
