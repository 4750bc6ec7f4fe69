#include "latgrad/net/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "latgrad/net/netdef.h"
#include "latgrad/net/read_net.h"
#include "latgrad/net/registry.h"
#include "shared_data.h"

namespace latgrad::net {
namespace {

// Elements are floats: 4 bytes each.
MemoryUse use_of(const std::string& text, const Shape& input = {1, 8}) {
  Net net = parse_netdef_text(text, "model.pbtxt");
  set_input(net, "x", input);
  return memory_use(net, infer_shapes(net));
}

TEST(MemoryTest, AChainHoldsInputAndOutputOfEachOperator) {
  const MemoryUse use = use_of(R"(
    op { type: "Relu" input: "x" output: "a" }
    op { type: "Sigmoid" input: "a" output: "b" }
    external_input: "x" external_output: "b")");
  EXPECT_EQ(use.live_bytes, (std::vector<int64_t>{64, 64}));
  EXPECT_EQ(use.peak_activation_bytes, 64);
  EXPECT_EQ(use.peak_op, 0);
  EXPECT_TRUE(use.complete);
}

TEST(MemoryTest, AResidualLivesUntilItsSum) {
  const MemoryUse use = use_of(R"(
    op { type: "Relu" input: "x" output: "a" }
    op { type: "Sigmoid" input: "a" output: "b" }
    op { type: "Sum" input: "b" input: "x" output: "c" }
    external_input: "x" external_output: "c")");
  EXPECT_EQ(use.live_bytes, (std::vector<int64_t>{64, 96, 96}));
  EXPECT_EQ(use.peak_op, 1);
}

TEST(MemoryTest, InPlaceNeedsNoSecondTensor) {
  const MemoryUse use = use_of(R"(
    op { type: "Relu" input: "x" output: "x" }
    op { type: "Sigmoid" input: "x" output: "b" }
    external_input: "x" external_output: "b")");
  EXPECT_EQ(use.live_bytes, (std::vector<int64_t>{32, 64}));
}

TEST(MemoryTest, AViewKeepsTheTensorItShows) {
  const MemoryUse use = use_of(R"(
    op { type: "Relu" input: "x" output: "a" }
    op { type: "Reshape" input: "a" output: "v" arg { name: "shape" ints: 4 ints: 2 } }
    op { type: "Transpose" input: "v" output: "t" }
    op { type: "Relu" input: "v" output: "r" }
    external_input: "x" external_output: "t" external_output: "r")");
  EXPECT_EQ(use.live_bytes, (std::vector<int64_t>{64, 32, 64, 96}));
}

TEST(MemoryTest, AnOutputOfTheNetworkLivesToTheEnd) {
  const MemoryUse use = use_of(R"(
    op { type: "Relu" input: "x" output: "early" }
    op { type: "Sigmoid" input: "x" output: "b" }
    op { type: "Sigmoid" input: "b" output: "c" }
    external_input: "x" external_output: "early" external_output: "c")");
  EXPECT_EQ(use.live_bytes, (std::vector<int64_t>{64, 96, 96}));
}

TEST(MemoryTest, AnOutputThatNobodyReadsIsThereWhileItIsWritten) {
  const MemoryUse use = use_of(R"(
    op { type: "Split" input: "x" output: "a" output: "unread" arg { name: "axis" i: 1 } }
    op { type: "Relu" input: "a" output: "b" }
    external_input: "x" external_output: "b")");
  EXPECT_EQ(use.live_bytes, (std::vector<int64_t>{64, 32}));
}

TEST(MemoryTest, WeightsCountOnceByTheirType) {
  Net net = parse_netdef_text(R"(
    op { type: "FC" input: "x" input: "w" input: "b" output: "y" }
    op { type: "FC" input: "y" input: "w" input: "b" output: "z" }
    external_input: "x" external_input: "w" external_input: "b" external_output: "z")",
                              "model.pbtxt");
  set_input(net, "x", {1, 8});
  net.parameters["w"] = {{8, 8}, DataType::kFloat};
  net.parameters["b"] = {{8}, DataType::kFloat};
  const MemoryUse use = memory_use(net, infer_shapes(net));
  EXPECT_EQ(use.weight_bytes, (std::map<DataType, int64_t>{{DataType::kFloat, 4 * (64 + 8)}}));
}

TEST(MemoryTest, AnOperatorOfUnknownTypeMayNeedMore) {
  Net net = parse_netdef_text(R"(
    op { type: "Nobody" input: "x" output: "y" }
    external_input: "x" external_output: "y")",
                              "model.pbtxt");
  set_input(net, "x", {1, 8});
  EXPECT_FALSE(memory_use(net, infer_shapes(net, {.allow_unknown = true})).complete);
}

// The slow twin allocates, and frees what no later operator reads.
std::vector<int64_t> simulated(const Net& net, const NetShapes& shapes) {
  std::map<std::string, int> lies_in;  // blob to allocation
  std::map<int, int64_t> allocated;
  int next = 0;
  const auto bytes = [](const TensorInfo& info) {
    int64_t total = element_bytes(info.dtype);
    for (const int64_t dim : info.shape) total *= dim;
    return total;
  };
  const auto is_read_after = [&](int allocation, size_t index) {
    std::map<std::string, int> names = lies_in;
    for (size_t later = index + 1; later < net.ops.size(); ++later) {
      for (const std::string& input : net.ops[later].inputs) {
        if (const auto it = names.find(input); it != names.end() && it->second == allocation) return true;
      }
      for (const std::string& output : net.ops[later].outputs) names.erase(output);
    }
    return std::ranges::any_of(net.external_outputs, [&](const std::string& output) {
      const auto it = names.find(output);
      return it != names.end() && it->second == allocation;
    });
  };
  for (const auto& [blob, info] : net.inputs) {
    if (!is_read_from_outside(net, blob)) continue;
    lies_in[blob] = next;
    allocated[next++] = bytes(info);
  }
  std::vector<int64_t> live;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const Operator& op = net.ops[i];
    for (size_t k = 0; k < op.outputs.size(); ++k) {
      const std::string& blob = op.outputs[k];
      if (std::ranges::find(op.inputs, blob) != op.inputs.end()) continue;
      if (k == 0 && find_operator_type(op.type)->is_view) {
        lies_in[blob] = lies_in.at(op.inputs[0]);
        continue;
      }
      lies_in[blob] = next;
      allocated[next++] = bytes(shapes.ops[i].outputs[k]);
    }
    int64_t total = 0;
    for (const auto& [allocation, size] : allocated) total += size;
    live.push_back(total);
    std::erase_if(allocated, [&](const auto& entry) { return !is_read_after(entry.first, i); });
  }
  return live;
}

TEST(MemoryTest, PublishedNetworksNeedWhatASimulatorAllocates) {
  LATGRAD_NEED_SHARED("zoo");
  LATGRAD_NEED_SHARED("onnx");
  for (const char* path : {"zoo/FBNet-C/int8", "zoo/ChamNet-A/fp32", "onnx/mobilenetv3_large_100",
                           "onnx/tv_shufflenet_v2_x1_0", "onnx/ghostnet_100", "onnx/vit_tiny_patch16_224"}) {
    SCOPED_TRACE(path);
    const Net net = read_net(shared_data(path));
    const NetShapes shapes = infer_shapes(net);
    const MemoryUse use = memory_use(net, shapes);
    EXPECT_EQ(use.live_bytes, simulated(net, shapes));
    EXPECT_EQ(use.peak_activation_bytes, *std::ranges::max_element(use.live_bytes));
    EXPECT_EQ(use.live_bytes[use.peak_op], use.peak_activation_bytes);
  }
}

}  // namespace
}  // namespace latgrad::net
