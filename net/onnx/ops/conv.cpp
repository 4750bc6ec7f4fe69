// Conv, ConvTranspose.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"
#include "window.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

// The kernel that the weight [out, in/group, ...] has; the attribute says the same.
std::vector<int64_t> kernel_of(const OnnxNode& node) { return spatial_dims(node, node.shape(1)); }

void conv(OnnxNode& node, std::string_view target) {
  const OnnxWindow window = read_window(node, spatial_dims(node, node.shape(0)), kernel_of(node));
  Operator op = node.as(target);
  add_window(op, window);
  add_integer(op, "group", node.integer("group", 1), 1);
  node.emit(std::move(op));
}

// The pads that give `output_shape`, and those of auto_pad, are made explicit.
void conv_transpose(OnnxNode& node, std::string_view target) {
  const Shape spatial = spatial_dims(node, node.shape(0));
  const size_t rank = spatial.size();
  const std::vector<int64_t> adjs = window_list(node, "output_padding", rank, 0);
  std::vector<int64_t> output = node.integers("output_shape");
  if (output.size() == rank + 2) output.erase(output.begin(), output.begin() + 2);
  if (!output.empty() && output.size() != rank) {
    node.fail(fmt::format("output_shape must have {} values, got {}", rank, to_string(output)));
  }
  const std::string_view auto_pad = node.text("auto_pad", "NOTSET");
  const bool is_same = auto_pad.starts_with("SAME");
  OnnxWindow window{kernel_of(node), window_list(node, "strides", rank, 1),
                    window_list(node, "dilations", rank, 1), window_list(node, "pads", 2 * rank, 0)};
  if (window.kernel.size() != rank) {
    node.fail(fmt::format("the weight must have {} dimensions, got {}", rank + 2, to_string(node.shape(1))));
  }
  for (size_t dim = 0; dim < rank && (is_same || !output.empty()); ++dim) {
    const int64_t wanted =
        output.empty() ? spatial[dim] * window.strides[dim] : std::clamp<int64_t>(output[dim], 0, kMaxDim);
    const int64_t extent = window.dilations[dim] * (window.kernel[dim] - 1) + 1;
    const int64_t total =
        std::max<int64_t>(window.strides[dim] * (spatial[dim] - 1) + adjs[dim] + extent - wanted, 0);
    window.pads[dim] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    window.pads[rank + dim] = total - window.pads[dim];
  }
  Operator op = node.as(target);
  add_window(op, window);
  if (std::ranges::any_of(adjs, [](int64_t adj) { return adj != 0; })) {
    op.args.push_back(integers_argument("adjs", adjs));
  }
  add_integer(op, "group", node.integer("group", 1), 1);
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"Conv", "Conv", conv},
    {"ConvTranspose", "ConvTranspose", conv_transpose},
};

void add_conv(NodeWriter& writer, std::string_view target, std::vector<std::string> inputs,
              const std::string& output) {
  const Shape& shape = writer.shape(0);
  onnx::NodeProto& node = writer.add(target, std::move(inputs), {output});
  set_window(node, window_over(writer.args(), {shape.begin() + 2, shape.end()}));
  set_integer(node, "group", writer.args().integer("group", 1));
}

void write_conv(NodeWriter& writer, std::string_view target) {
  std::vector<std::string> inputs;
  for (size_t i = 0; i < writer.num_inputs(); ++i) inputs.push_back(writer.input(i));
  add_conv(writer, target, std::move(inputs), writer.output());
}

void write_conv_sum(NodeWriter& writer, std::string_view) {
  const std::string convolution = writer.temporary("conv");
  add_conv(writer, "Conv", {writer.input(0), writer.input(1), writer.input(2)}, convolution);
  writer.add("Add", {convolution, writer.input(3)}, {writer.output()});
}

void write_conv_transpose(NodeWriter& writer, std::string_view target) {
  const SpatialArguments window = spatial_arguments(writer.args(), writer.shape(0).size() - 2);
  onnx::NodeProto& node = writer.add(target);
  set_window(node, {window.kernel, window.stride, window.dilation, window.pads, {}});
  set_integers(node, "output_padding", window.adj);
  set_integer(node, "group", writer.args().integer("group", 1));
}

constexpr WritingRow kWriting[] = {
    {"Conv", "Conv", write_conv, Dimensions::kImage},
    {"Conv1D", "Conv", write_conv, Dimensions::kImage},
    {"Conv2D", "Conv", write_conv, Dimensions::kImage},
    {"Conv3D", "Conv", write_conv, Dimensions::kImage},
    {"ConvSum", "Conv, Add", write_conv_sum, Dimensions::kImage},
    {"ConvTranspose", "ConvTranspose", write_conv_transpose, Dimensions::kImage},
};

}  // namespace

std::span<const LoweringRow> conv_lowering() { return kLowering; }
std::span<const WritingRow> conv_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
