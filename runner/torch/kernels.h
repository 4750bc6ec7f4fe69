// From an operator key to the LibTorch kernel that computes it.
//
//   Kernel kernel = find_kernel("Relu")(key, {});
//   at::Tensor output = kernel.run({input});      // input as kernel.activations[0] says
//
// A kernel is handed its activations and owns its weights. Registered by family, one file each: fp32_*.cpp
// and int8_*.cpp; image_kernels.cpp and shape_kernels.cpp hold what torch computes alike for either type.
//
// How tensors lie: torch knows images as [n, c, h, w] alone, those in NHWC order as such a view of
// channels-last memory. A tensor is in one of two forms: as the key says it, or, where `channels_last` is
// set, an image [n, h, w, c] of the key as torch's [n, c, h, w]. Whatever follows another order than its
// producer (a Reshape behind an int8 convolution) gets a view in the form it wants (prepared_chain.h).

#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/net/arguments.h"
#include "latgrad/net/infer_shapes.h"

namespace latgrad::runner {

// One tensor that a kernel is handed.
struct Activation {
  size_t input = 0;  // of the key
  at::ScalarType dtype = at::kFloat;
  net::Shape shape = {};       // dimensions in the key's order, but maybe joined: FC takes a matrix
  bool channels_last = false;  // handed over as an image in channels-last memory; never without 4 dimensions
};

// By activation, in the order of Kernel::activations. Called from one thread at a time.
using Run = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

struct Kernel {
  std::vector<Activation> activations = {};
  Run run = {};                // the operator's first output; nothing where it has none
  bool channels_last = false;  // how the output comes, where it has 4 dimensions
};

// What a kernel is made for.
struct Target {
  at::Device device = at::kCPU;
  bool channels_last = false;  // how the producer of the first input leaves it
};

// Errors: latgrad::ValueError or c10::Error for a key that the kernel cannot run.
using KernelFactory = Kernel (*)(const lut::OperatorKey& key, const Target& target);

// Null for an operator type that no kernel computes.
KernelFactory find_kernel(std::string_view op_type);

struct KernelEntry {
  std::string_view op_type;
  KernelFactory factory;
};

// Families, for the table; each in the file of its name in ops/.
std::span<const KernelEntry> activation_kernels();
std::span<const KernelEntry> conv_kernels();
std::span<const KernelEntry> detection_kernels();
std::span<const KernelEntry> elementwise_kernels();
std::span<const KernelEntry> fc_kernels();
std::span<const KernelEntry> fill_kernels();
std::span<const KernelEntry> join_kernels();
std::span<const KernelEntry> normalise_kernels();
std::span<const KernelEntry> pool_kernels();
std::span<const KernelEntry> quantise_kernels();
std::span<const KernelEntry> reduce_kernels();
std::span<const KernelEntry> reshape_kernels();
std::span<const KernelEntry> resize_kernels();
std::span<const KernelEntry> shape_kernels();

// Every kernel there is.
std::vector<std::string_view> kernel_types();

inline net::Arguments arguments(const lut::OperatorKey& key) { return {key.op_type, key.args}; }
inline bool is_int8(const lut::OperatorKey& key) { return key.op_type.starts_with("Int8"); }
// Whether its images are [n, h, w, c].
inline bool is_nhwc(const lut::OperatorKey& key) { return arguments(key).is_nhwc(); }

// What shape inference says of the operator as a network of its own; operators of unknown output are not
// known. Errors: NetError.
net::NetShapes infer_alone(const lut::OperatorKey& key);

at::ScalarType torch_dtype(net::DataType dtype);  // float for what torch has no type for

// The shape of input `index`. Errors: ValueError when the operator has fewer inputs.
const net::Shape& input_shape(const lut::OperatorKey& key, size_t index);

// A kernel that is handed one tensor in either form, and leaves its output in the same.
Kernel follow(const lut::OperatorKey& key, const Target& target,
              std::function<at::Tensor(const at::Tensor&)> run);

template <auto function>
Kernel follow_with(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, function);
}

// A kernel that is handed one image in the order that the key says, and leaves its output in the same.
Kernel by_order(const lut::OperatorKey& key, std::function<at::Tensor(const at::Tensor&)> run);

// Input `index` as it lies in the key: uint8 of an int8 operator, else float.
Activation activation(const lut::OperatorKey& key, size_t index, bool channels_last);

// The first input as an image in the order that the key says, as convolutions and pools take it.
// Errors: ValueError for order NHWC with other than 4 dimensions.
Activation image_activation(const lut::OperatorKey& key);

// Flattened to two dimensions from `axis` on, as FC and Softmax of Caffe2 do.
net::Shape flatten_from(const net::Shape& shape, int64_t axis);

// The axis of the key's shape as an index into torch's. Errors: ValueError when it is out of range.
int64_t torch_axis(int64_t axis, size_t rank, bool channels_last);

// The channels of an image, or of a matrix.
int64_t channels_of(const Activation& image);

// Uniform in [-bound, bound) but for the values near 0: neither zeros nor denormals, which cost other times.
at::Tensor random_tensor(const net::Shape& shape, double bound = 1);

// As random_tensor, for values that must be positive: in [0.5, 1.5).
at::Tensor random_positive(const net::Shape& shape);

// The bound of weights, over the inputs that each output sums up, so that activations neither grow nor
// vanish from layer to layer. Source: He et al., Delving Deep into Rectifiers, 2015, equation 10.
double weight_bound(int64_t fan_in);

// The weights of a convolution as torch holds them: [out, in / group, kernel ...].
at::Tensor conv_weight(const lut::OperatorKey& key, bool nhwc, bool transposed);

at::Tensor to_device(const at::Tensor& tensor, const Target& target);  // undefined stays undefined

// The image of a convolution or pool and the window that slides over it.
struct ImageWindow : net::AppliedWindow {
  Activation image;
  net::Shape spatial;  // height and width
};
// Errors: as image_activation and net::window_over.
ImageWindow image_window(const lut::OperatorKey& key);

// Torch's convolutions and pools pad both sides alike. Where a network does not, a copy of the image is
// padded, which is part of the operator's time: it is what a network in LibTorch has to do.
struct Padding {
  std::vector<int64_t> both_sides = {};  // one per spatial dimension
  std::vector<int64_t> before = {};      // of the copy, as at::constant_pad_nd takes it; empty: no copy
};
Padding padding_of(const net::AppliedWindow& window);
Padding pad_a_copy(const net::AppliedWindow& window);

// One pad per spatial dimension. Errors: ValueError where the two sides of one differ.
std::vector<int64_t> symmetric(const std::vector<int64_t>& pads);

// As at::constant_pad_nd takes pads: the last dimension first, head and tail of each.
std::vector<int64_t> pad_list(const std::vector<int64_t>& pads);

// Input `index` as a vector of small values; undefined where the operator has fewer inputs.
at::Tensor optional_bias(const lut::OperatorKey& key, size_t index);

// Random values of the activation's type, lying as it says.
at::Tensor random_activation(const Activation& activation, at::Device device);

// [n, h, w, c] in memory as the [n, c, h, w] tensor that torch calls channels-last.
at::Tensor nhwc_to_torch(const at::Tensor& nhwc);

}  // namespace latgrad::runner
