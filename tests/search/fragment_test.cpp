// The parts of networks as fragments: what they are, and that lowering writes just them.

#include "latgrad/search/fragment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/search/lowering.h"
#include "listing.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

net::TensorInfo float_of(net::Shape shape) { return {std::move(shape), net::DataType::kFloat}; }

TEST(FragmentTest, OfABlockHasItsOperators) {
  // k3_e6 from 24 to 24 channels, whatever the layer is called in a network.
  const Fragment block = block_fragment(load("fbnet"), 2, 3, Precision::kInt8);
  EXPECT_EQ(block.input, "in");
  EXPECT_EQ(block.output, "sum");
  EXPECT_THAT(listing(block.ops),
              ElementsAre("Conv in,expand_w,expand_b -> expand_conv kernel=1 stride=1 pad=0 order=NCHW",
                          "Relu expand_conv -> expand",
                          "Conv expand,dw_w,dw_b -> dw_conv kernel=3 stride=1 pad=1 group=144 order=NCHW",
                          "Relu dw_conv -> dw",
                          "Conv dw,project_w,project_b -> project kernel=1 stride=1 pad=0 order=NCHW",
                          "Sum project,in -> sum"));
  EXPECT_EQ(block.parameters,
            (std::map<std::string, net::TensorInfo, std::less<>>{{"expand_w", float_of({144, 24, 1, 1})},
                                                                 {"expand_b", float_of({144})},
                                                                 {"dw_w", float_of({144, 1, 3, 3})},
                                                                 {"dw_b", float_of({144})},
                                                                 {"project_w", float_of({24, 144, 1, 1})},
                                                                 {"project_b", float_of({24})}}));
}

TEST(FragmentTest, OfAGroupedBlockShufflesChannels) {
  // k5_e1_g2 from 16 to 24 channels with stride 2: no residual.
  const Fragment block = block_fragment(load("fbnet"), 1, 5, Precision::kFp32);
  EXPECT_EQ(block.output, "project");
  EXPECT_THAT(
      listing(block.ops),
      ElementsAre("Conv in,expand_w,expand_b -> expand_conv kernel=1 stride=1 pad=0 group=2 order=NCHW",
                  "Relu expand_conv -> expand", "ChannelShuffle expand -> expand_shuffle group=2",
                  "Conv expand_shuffle,dw_w,dw_b -> dw_conv kernel=5 stride=2 pad=2 group=16 order=NCHW",
                  "Relu dw_conv -> dw",
                  "Conv dw,project_w,project_b -> project kernel=1 stride=1 pad=0 group=2 order=NCHW"));
  EXPECT_EQ(block.parameters.at("expand_w"), float_of({16, 8, 1, 1}));
  EXPECT_EQ(block.parameters.at("project_w"), float_of({24, 8, 1, 1}));
}

TEST(FragmentTest, HasTheReluOfItsPrecision) {
  const Space space = load("fbnet_c");  // ReLUs behind depthwise convolutions in fp32 only
  EXPECT_THAT(listing(block_fragment(space, 0, 0, Precision::kFp32).ops),
              testing::Contains("Relu dw_conv -> dw"));
  EXPECT_THAT(listing(block_fragment(space, 0, 0, Precision::kInt8).ops),
              testing::Contains("Conv expand,dw_w,dw_b -> dw kernel=3 stride=1 pad=1 group=16 order=NCHW"));
}

TEST(FragmentTest, OfASkipIsAnIdentityOrAProjection) {
  const Space space = load("fbnet");
  EXPECT_EQ(block_fragment(space, 2, 8, Precision::kInt8), Fragment());
  const Fragment projection = block_fragment(space, 1, 8, Precision::kInt8);
  EXPECT_EQ(projection.output, "project");
  EXPECT_THAT(listing(projection.ops),
              ElementsAre("Conv in,project_w,project_b -> project kernel=1 stride=2 pad=0 order=NCHW"));
}

TEST(FragmentTest, OfTheFixedPart) {
  const Space space = load("fbnet");
  EXPECT_THAT(listing(stem_fragment(space, Precision::kInt8).ops),
              ElementsAre("Conv in,stem_w,stem_b -> stem_conv kernel=3 stride=2 pad=1 order=NCHW",
                          "Relu stem_conv -> stem"));
  EXPECT_THAT(listing(head_fragment(space, Precision::kInt8).ops),
              ElementsAre("Conv in,head_w,head_b -> head_conv kernel=1 stride=1 pad=0 order=NCHW",
                          "Relu head_conv -> head"));
  const Fragment classifier = classifier_fragment(space);
  EXPECT_EQ(classifier.output, "logits");
  EXPECT_THAT(listing(classifier.ops), ElementsAre("AveragePool in -> pool global_pooling=1 order=NCHW",
                                                   "FC pool,logits_w,logits_b -> logits"));
  EXPECT_EQ(classifier.parameters.at("logits_w"), float_of({1000, 1984}));
}

TEST(FragmentTest, OfAStemOrHeadThatTheSpaceLacksIsAnIdentity) {
  const Space space = Space::parse(R"(
    name: "bare"
    input { height: 6 width: 4 }
    candidate { name: "d" block { depthwise { kernel: 3 } } }
    stage { name: "a" channels: 3 }
    head { classes: 2 }
  )",
                                   "bare.textproto");
  EXPECT_EQ(stem_fragment(space, Precision::kFp32), Fragment());
  EXPECT_EQ(head_fragment(space, Precision::kFp32), Fragment());
  EXPECT_EQ(classifier_fragment(space).parameters.at("logits_w"), float_of({2, 3}));
}

TEST(FragmentTest, RefusesWhatIsNotOffered) {
  const Space space = load("tiny");
  EXPECT_THROW(block_fragment(space, 3, 3, Precision::kInt8), ValueError);  // a skip where the shape changes
  EXPECT_THROW(block_fragment(space, 0, 2, Precision::kInt8), ValueError);
  EXPECT_THROW(block_fragment(space, 4, 0, Precision::kInt8), ValueError);
}

// A float32 network as fragments written down one behind the other, without the arguments of rules.
class Row {
 public:
  explicit Row(std::string in) : blob_(std::move(in)) {}

  void add(const Fragment& fragment, const std::string& prefix) {
    const auto renamed = [&](const std::string& blob) {
      return blob == fragment.input ? blob_ : prefix + blob;
    };
    for (net::Operator op : fragment.ops) {
      for (std::string& blob : op.inputs) blob = renamed(blob);
      for (std::string& blob : op.outputs) blob = renamed(blob);
      ops.push_back(op);
    }
    for (const auto& [name, info] : fragment.parameters) parameters[prefix + name] = info;
    blob_ = renamed(fragment.output);
  }

  std::vector<net::Operator> ops;
  std::map<std::string, net::TensorInfo, std::less<>> parameters;

 private:
  std::string blob_;
};

// Each ReLU over its input.
void put_relus_in_place(std::vector<net::Operator>& ops) {
  for (size_t i = 1; i < ops.size(); ++i) {
    if (ops[i].type != "Relu") continue;
    ops[i].inputs = ops[i].outputs;
    ops[i - 1].outputs = ops[i].outputs;
  }
}

std::string two_digits(size_t number) { return (number < 10 ? "0" : "") + std::to_string(number); }

class FragmentsOfSpaceTest : public testing::TestWithParam<std::string> {
 protected:
  Architecture random_architecture() {
    Architecture arch;
    for (const LayerInfo& layer : space_.layers()) {
      do {
        arch.resize(arch.size() + 1);
        arch.back() = static_cast<int>(random_() % layer.candidates.size());
        if (layer.offered[arch.back()]) break;
        arch.pop_back();
      } while (true);
    }
    return arch;
  }

  Space space_ = load(GetParam());
  std::mt19937 random_{7};
};

TEST_P(FragmentsOfSpaceTest, InARowAreTheNetworkThatIsLowered) {
  for (int repetition = 0; repetition < 20; ++repetition) {
    const Architecture arch = random_architecture();
    Row row("data");
    row.add(stem_fragment(space_, Precision::kFp32), "");
    for (size_t layer = 0; layer < arch.size(); ++layer) {
      const std::string& name = space_.layers()[layer].candidates[arch[layer]];
      row.add(block_fragment(space_, layer, arch[layer], Precision::kFp32),
              "layer" + two_digits(layer + 1) + "_" + name + "_");
    }
    row.add(head_fragment(space_, Precision::kFp32), "");
    row.add(classifier_fragment(space_), "");
    if (space_.text().find("relu_in_place: true") != std::string::npos) put_relus_in_place(row.ops);

    const net::Net net = lower(space_, arch, Precision::kFp32);
    ASSERT_EQ(net.ops.size(), row.ops.size() + 1);
    EXPECT_EQ(net.ops.back().type, "Softmax");
    for (size_t i = 0; i < row.ops.size(); ++i) {
      net::Operator lowered = net.ops[i];
      lowered.engine.clear();
      // A pool over the whole map has its window written out; rules add behind an operator's own arguments.
      if (lowered.type == "AveragePool") lowered.args = row.ops[i].args;
      lowered.args.resize(row.ops[i].args.size());
      EXPECT_EQ(lowered, row.ops[i]);
    }
    EXPECT_EQ(net.parameters, row.parameters);
  }
}

// In both precisions a network is the fixed part with the blocks in its gap.
TEST_P(FragmentsOfSpaceTest, LoweredAloneAreTheNetwork) {
  for (const Precision precision : {Precision::kInt8, Precision::kFp32}) {
    const Architecture arch = random_architecture();
    const net::Net fixed = lower_fixed(space_, precision);
    std::vector<net::Operator> ops;
    std::string blob;
    const auto add = [&](net::Operator op, const std::string& gap) {
      for (std::string& input : op.inputs) input = input == gap ? blob : input;
      ops.push_back(op);
    };
    const auto end = std::ranges::find_if(
        fixed.ops, [](const net::Operator& op) { return op.inputs.front() == "layers_out"; });
    for (auto op = fixed.ops.begin(); op != end; ++op) add(*op, "");
    blob = fixed.external_outputs.front();
    for (size_t layer = 0; layer < arch.size(); ++layer) {
      const net::Net block = lower_block(space_, layer, arch[layer], precision);
      const std::string in = block.inputs.begin()->first;
      for (const net::Operator& op : block.ops) add(op, in);
      if (!block.ops.empty()) blob = block.external_outputs.front();
    }
    for (auto op = end; op != fixed.ops.end(); ++op) add(*op, "layers_out");
    EXPECT_EQ(lower(space_, arch, precision).ops, ops);
  }
}

INSTANTIATE_TEST_SUITE_P(All, FragmentsOfSpaceTest,
                         testing::Values("fbnet", "fbnet_a", "fbnet_c", "fbnet_96", "fbnet_cifar",
                                         "chamnet_a", "chamnet_c", "chamnet_e", "tiny"));

}  // namespace
}  // namespace latgrad::search
