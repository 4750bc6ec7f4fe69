// The same elements in another shape or order.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

// The shape is made concrete: whoever says it in another way has the same operator.
void reshape(OnnxNode& node, std::string_view target) {
  const Shape& input = node.shape(0);
  Shape shape = node.integers_at("shape", 1).value_or(Shape());
  const bool copies_zeros = node.integer("allowzero", 0) == 0;
  int64_t known = 1;
  int64_t* open = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && copies_zeros && i < input.size()) shape[i] = input[i];
    if (shape[i] == -1 && open == nullptr) {
      open = &shape[i];
    } else if (__builtin_mul_overflow(known, shape[i], &known)) {
      node.fail(fmt::format("sizes must stay below 2^63, got {}", to_string(shape)));
    }
  }
  const int64_t total = num_elements(input);
  if (open != nullptr && known > 0 && total % known == 0) *open = total / known;
  Operator op = node.as(target, {0});
  if (!copies_zeros && std::ranges::find(shape, 0) != shape.end())
    op.args.push_back(Argument::of_int("allowzero", 1));
  op.args.push_back(integers_argument("shape", std::move(shape)));
  node.emit(std::move(op));
}

void flatten(OnnxNode& node, std::string_view target) {
  const auto rank = static_cast<int64_t>(node.shape(0).size());
  const int64_t axis = node.integer("axis", 1);
  Operator op = node.as(target);
  add_integer(op, "axis", axis < 0 ? axis + rank : axis, 1);
  node.emit(std::move(op));
}

void squeeze(OnnxNode& node, std::string_view target) {
  const Shape& shape = node.shape(0);
  std::vector<int64_t> dims = node.integers_at("axes", 1).value_or(std::vector<int64_t>());
  const bool is_given = !dims.empty();
  for (int64_t& dim : dims) dim = node.axis(dim, shape.size());
  for (size_t i = 0; i < shape.size() && !is_given; ++i) {
    if (shape[i] == 1) dims.push_back(static_cast<int64_t>(i));
  }
  if (dims.empty()) return node.pass();
  std::ranges::sort(dims);
  Operator op = node.as(target, {0});
  op.args.push_back(integers_argument("dims", std::move(dims)));
  node.emit(std::move(op));
}

void unsqueeze(OnnxNode& node, std::string_view target) {
  std::vector<int64_t> dims = node.integers_at("axes", 1).value_or(std::vector<int64_t>());
  const size_t rank = node.shape(0).size() + dims.size();
  for (int64_t& dim : dims) dim = node.axis(dim, rank);
  if (dims.empty()) return node.pass();
  std::ranges::sort(dims);
  Operator op = node.as(target, {0});
  op.args.push_back(integers_argument("dims", std::move(dims)));
  node.emit(std::move(op));
}

// Without axes both reverse their order.
void transpose(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  std::vector<int64_t> axes = node.integers("perm");
  for (size_t i = node.shape(0).size(); i > 0 && !node.has("perm"); --i)
    axes.push_back(static_cast<int64_t>(i) - 1);
  op.args.push_back(integers_argument("axes", std::move(axes)));
  node.emit(std::move(op));
}

void between_depth_and_space(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  op.args.push_back(Argument::of_int("blocksize", node.integer("blocksize", 0)));
  const std::string mode(node.text("mode", "DCR"));
  if (mode != "DCR") op.args.push_back(Argument::of_string("mode", mode));
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"DepthToSpace", "DepthToSpace", between_depth_and_space},
    {"Flatten", "Flatten", flatten},
    {"Reshape", "Reshape", reshape},
    {"SpaceToDepth", "SpaceToDepth", between_depth_and_space},
    {"Squeeze", "Squeeze", squeeze},
    {"Transpose", "Transpose", transpose},
    {"Unsqueeze", "ExpandDims", unsqueeze},
};

void write_reshape(NodeWriter& writer, std::string_view target) {
  const Shape& shape = writer.output_shape();
  onnx::NodeProto& node = writer.add(target, {writer.input(0), writer.integers(shape)}, {writer.output()});
  if (std::ranges::find(shape, 0) != shape.end()) set_integer(node, "allowzero", 1);
}

void write_flatten(NodeWriter& writer, std::string_view target) {
  set_integer(writer.add(target), "axis", writer.args().integer("axis", 1));
}

void write_dims(NodeWriter& writer, std::string_view target) {
  std::vector<int64_t> dims = writer.args().integers("dims");
  std::ranges::sort(dims);
  writer.add(target, {writer.input(0), writer.integers(dims)}, {writer.output()});
}

void write_transpose(NodeWriter& writer, std::string_view target) {
  std::vector<int64_t> axes = writer.args().integers("axes");
  for (size_t i = axes.empty() ? writer.shape(0).size() : 0; i > 0; --i) {
    axes.push_back(static_cast<int64_t>(i) - 1);
  }
  set_integers(writer.add(target), "perm", axes);
}

void write_between_depth_and_space(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(target);
  set_integer(node, "blocksize", writer.args().integer("blocksize", 0));
  if (writer.args().has("mode")) set_text(node, "mode", writer.args().text("mode", ""));
}

// The channels as groups by channels of a group, transposed.
void write_channel_shuffle(NodeWriter& writer, std::string_view) {
  const Shape& shape = writer.shape(0);
  const int64_t group = writer.args().integer("group", 1);
  Shape grouped = {shape[0], group, shape[1] / group};
  grouped.insert(grouped.end(), shape.begin() + 2, shape.end());
  std::vector<int64_t> axes;
  for (size_t i = 0; i < grouped.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  std::swap(axes[1], axes[2]);
  const std::string groups = writer.temporary("groups");
  const std::string shuffled = writer.temporary("shuffled");
  writer.add("Reshape", {writer.input(0), writer.integers(grouped)}, {groups});
  set_integers(writer.add("Transpose", {groups}, {shuffled}), "perm", axes);
  writer.add("Reshape", {shuffled, writer.integers(shape)}, {writer.output()});
}

constexpr WritingRow kWriting[] = {
    {"ChannelShuffle", "Reshape, Transpose, Reshape", write_channel_shuffle, Dimensions::kImage},
    {"DepthToSpace", "DepthToSpace", write_between_depth_and_space},
    {"ExpandDims", "Unsqueeze", write_dims},
    {"Flatten", "Flatten", write_flatten, Dimensions::kRows},
    {"FlattenToVec", "Reshape", write_reshape},
    {"MergeDim", "Reshape", write_reshape},
    {"PrependDim", "Reshape", write_reshape},
    {"Reshape", "Reshape", write_reshape},
    {"ResizeLike", "Reshape", write_reshape},
    {"SpaceToDepth", "SpaceToDepth", write_between_depth_and_space},
    {"Squeeze", "Squeeze", write_dims},
    {"Transpose", "Transpose", write_transpose},
};

}  // namespace

std::span<const LoweringRow> reshape_lowering() { return kLowering; }
std::span<const WritingRow> reshape_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops
