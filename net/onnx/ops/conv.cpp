// Conv, ConvTranspose.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"
#include "window.h"

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
  std::vector<int64_t> adjs = node.integers("output_padding");
  if (adjs.empty()) adjs.assign(rank, 0);
  std::vector<int64_t> output = node.integers("output_shape");
  if (output.size() == rank + 2) output.erase(output.begin(), output.begin() + 2);
  const std::string_view auto_pad = node.text("auto_pad", "NOTSET");
  const bool is_same = auto_pad.starts_with("SAME");
  OnnxWindow window{kernel_of(node), node.integers("strides"), node.integers("dilations"),
                    node.integers("pads")};
  if (window.strides.empty()) window.strides.assign(rank, 1);
  if (window.dilations.empty()) window.dilations.assign(rank, 1);
  if (window.pads.empty()) window.pads.assign(2 * rank, 0);
  if (adjs.size() != rank || window.kernel.size() != rank || window.strides.size() != rank ||
      window.dilations.size() != rank || window.pads.size() != 2 * rank ||
      (!output.empty() && output.size() != rank)) {
    node.fail(
        fmt::format("the attributes of the window must have one value for each of the {} dimensions", rank));
  }
  for (size_t dim = 0; dim < rank && (is_same || !output.empty()); ++dim) {
    const int64_t wanted = output.empty() ? spatial[dim] * window.strides[dim] : output[dim];
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

constexpr LoweringRow kRows[] = {
    {"Conv", "Conv", conv},
    {"ConvTranspose", "ConvTranspose", conv_transpose},
};

}  // namespace

std::span<const LoweringRow> conv_lowering() { return kRows; }

}  // namespace latgrad::net::onnx_ops
