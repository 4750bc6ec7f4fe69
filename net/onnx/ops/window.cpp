#include "window.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node_writer.h"

namespace latgrad::net::onnx_ops {

std::vector<int64_t> window_list(const OnnxNode& node, std::string_view name, size_t count,
                                 int64_t otherwise) {
  std::vector<int64_t> values = node.integers(name);
  if (values.empty()) values.assign(count, otherwise);
  if (values.size() != count) {
    node.fail(fmt::format("{} must have {} values, got {}", name, count, to_string(values)));
  }
  if (const auto it =
          std::ranges::find_if(values, [](int64_t value) { return value < -kMaxDim || value > kMaxDim; });
      it != values.end()) {
    node.fail(fmt::format("{} must fit 32 bits, got {}", name, to_string(values)));
  }
  return values;
}

Shape spatial_dims(const OnnxNode& node, const Shape& shape) {
  if (shape.size() < 3) {
    node.fail(fmt::format("the input must have at least 3 dimensions, got {}", to_string(shape)));
  }
  return {shape.begin() + 2, shape.end()};
}

OnnxWindow read_window(const OnnxNode& node, const Shape& spatial, std::vector<int64_t> kernel) {
  const size_t rank = spatial.size();
  OnnxWindow window{std::move(kernel), window_list(node, "strides", rank, 1),
                    window_list(node, "dilations", rank, 1), window_list(node, "pads", 2 * rank, 0)};
  if (window.kernel.size() != rank) {
    node.fail(fmt::format("the kernel must have {} dimensions, got {}", rank, to_string(window.kernel)));
  }
  const std::string_view auto_pad = node.text("auto_pad", "NOTSET");
  const bool rounds_up = node.integer("ceil_mode", 0) != 0;
  for (size_t dim = 0; dim < rank; ++dim) {
    const int64_t stride = window.strides[dim];
    if (stride < 1) node.fail(fmt::format("strides must be positive, got {}", to_string(window.strides)));
    if (window.kernel[dim] < 1 || window.kernel[dim] > kMaxDim) {
      node.fail(fmt::format("the kernel must be positive, got {}", to_string(window.kernel)));
    }
    const int64_t extent = window.dilations[dim] * (window.kernel[dim] - 1) + 1;
    int64_t& head = window.pads[dim];
    int64_t& tail = window.pads[rank + dim];
    if (auto_pad == "VALID") {
      head = tail = 0;
    } else if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      const int64_t count = (spatial[dim] + stride - 1) / stride;
      const int64_t total = std::max<int64_t>((count - 1) * stride + extent - spatial[dim], 0);
      head = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      tail = total - head;
    } else if (auto_pad != "NOTSET" && !auto_pad.empty()) {
      node.fail(fmt::format("auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, got {}", auto_pad));
    }
    const int64_t padded = spatial[dim] + head + tail;
    if (rounds_up && padded >= extent) {
      int64_t count = (padded - extent + stride - 1) / stride + 1;
      // The last window must begin inside the image or its head pad.
      if ((count - 1) * stride >= spatial[dim] + head) --count;
      tail += std::max<int64_t>((count - 1) * stride + extent - padded, 0);
    }
  }
  return window;
}

void add_window(Operator& op, const OnnxWindow& window) {
  const auto all = [](const std::vector<int64_t>& values, int64_t value) {
    return std::ranges::all_of(values, [value](int64_t each) { return each == value; });
  };
  op.args.push_back(integers_argument("kernels", window.kernel));
  if (!all(window.strides, 1)) op.args.push_back(integers_argument("strides", window.strides));
  if (!all(window.pads, 0)) op.args.push_back(integers_argument("pads", window.pads));
  if (!all(window.dilations, 1)) op.args.push_back(integers_argument("dilations", window.dilations));
}

void set_window(onnx::NodeProto& node, const AppliedWindow& window) {
  const auto set_unless = [&](const char* name, const std::vector<int64_t>& values, int64_t usual) {
    const bool is_usual = std::ranges::all_of(values, [&](int64_t value) { return value == usual; });
    if (!is_usual) set_integers(node, name, values);
  };
  set_integers(node, "kernel_shape", window.kernel);
  set_unless("strides", window.stride, 1);
  set_unless("dilations", window.dilation, 1);
  set_unless("pads", window.pads, 0);
}

}  // namespace latgrad::net::onnx_ops
