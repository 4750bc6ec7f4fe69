// The windows of ONNX's convolutions and pools.

#pragma once

#include <cstdint>
#include <vector>

#include "latgrad/net/arguments.h"
#include "onnx_node.h"

namespace latgrad::net::onnx_ops {

struct OnnxWindow {
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;  // heads, then tails
};

// Reads the attributes, for a kernel that covers `kernel`. Pads of `auto_pad` and of `ceil_mode` are made
// explicit for the image `spatial`. Errors: NetError for lists of another length and strides below 1.
OnnxWindow read_window(const OnnxNode& node, const Shape& spatial, std::vector<int64_t> kernel);

// `count` values of an attribute, or as many defaults. Errors: NetError for another number of them, and
// beyond 32 bits.
std::vector<int64_t> window_list(const OnnxNode& node, std::string_view name, size_t count,
                                 int64_t otherwise);

// Adds what differs from the defaults, and the kernel.
void add_window(Operator& op, const OnnxWindow& window);

// The kernel, and what differs from the defaults: fused operators of some runtimes know no more attributes
// than those.
void set_window(onnx::NodeProto& node, const AppliedWindow& window);

// The spatial dimensions of an image [N, C, ...]. Errors: NetError below 3 dimensions.
Shape spatial_dims(const OnnxNode& node, const Shape& shape);

}  // namespace latgrad::net::onnx_ops
