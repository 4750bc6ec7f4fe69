// Spaces whose layers choose their widths, and the law for them.

#include "latgrad/search/chain_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/search/fragment.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/random_architecture.h"
#include "latgrad/search/scaling.h"
#include "latgrad/search/space_operators.h"
#include "latgrad/search/space_search.h"
#include "made_up_table.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

// Layers that choose between 4 and 6 channels, behind a stem of 4; the head is `head`.
Space chain(const std::string& candidates, const std::string& head = "head { classes: 3 }", int layers = 2) {
  return Space::parse(R"(
    name: "chain"
    input { batch: 2 height: 9 width: 6 }
    stem { channels: 4 stride: 2 })" +
                          candidates + "stage { name: \"a\" channels: 6 layers: " + std::to_string(layers) +
                          " stride: 2 }" + head,
                      "chain.textproto");
}

constexpr const char* kWidths = R"(
  candidate { name: "narrow" channels: 4 block { expand: 2 depthwise { kernel: 3 } } }
  candidate { name: "wide" block { expand: 2 groups: 2 depthwise { kernel: 5 } } }
  candidate { name: "skip" channels: 4 skip { } }
  candidate { name: "grouped" channels: 6 conv { kernel: 3 groups: 3 } }
)";

void expect_law(const ChainModel& model, const Space& space, const Architecture& arch,
                const lut::Table& table) {
  const net::Net net = lower(space, arch, model.precision);
  const net::NetShapes shapes = net::infer_shapes(net);
  for (const lut::Statistic statistic : lut::kStatistics) {
    const lut::Estimate estimate = lut::estimate(net, shapes, table, {.statistic = statistic});
    EXPECT_TRUE(estimate.all_found);
    EXPECT_NEAR(model.estimate_us(arch, statistic), estimate.found_us, 1e-9 * estimate.found_us)
        << space.format_architecture(arch) << " by " << to_string(statistic);
  }
}

class ChainLawTest : public testing::TestWithParam<Precision> {};

TEST_P(ChainLawTest, HoldsForRandomArchitecturesOfChainsAndOtherSpaces) {
  for (const char* name : {"fbnet_v2_like", "tiny", "fbnet"}) {
    const Space space = load(name);
    const lut::Table table = made_up_table(space, GetParam());
    const ChainModel model = build_chain_model(space, table, {.precision = GetParam(), .device = {}});
    ASSERT_THAT(model.missing, IsEmpty());
    std::mt19937_64 random(20201130);
    for (int i = 0; i < 200 && !HasFailure(); ++i) {
      expect_law(model, space, random_architecture(space, random), table);
    }
  }
}

TEST_P(ChainLawTest, HoldsWhateverFollowsTheLayers) {
  for (const char* head : {"head { classes: 3 }", "head { channels: 8 classes: 3 }",
                           "head { classes: 3 hidden { channels: 5 } }",
                           "head { classes: 3 hidden { channels: 5 form: FC } softmax: false }"}) {
    SCOPED_TRACE(head);
    const Space space = chain(kWidths, head, 3);
    const lut::Table table = made_up_table(space, GetParam());
    const ChainModel model = build_chain_model(space, table, {.precision = GetParam(), .device = {}});
    ASSERT_THAT(model.missing, IsEmpty());
    int count = 0;
    for (int i = 0; i < 64; ++i) {
      const Architecture arch = {i % 4, i / 4 % 4, i / 16};
      if (!space.layers()[0].offered[static_cast<size_t>(arch[0])] ||
          !model.is_valid(1, static_cast<size_t>(arch[0]), static_cast<size_t>(arch[1])) ||
          !model.is_valid(2, static_cast<size_t>(arch[1]), static_cast<size_t>(arch[2]))) {
        EXPECT_THROW(space.check(arch), ValueError);
        continue;
      }
      expect_law(model, space, arch, table);
      ++count;
    }
    // The first layer has neither the skip, as it has a stride, nor the three groups, as it reads 4 channels.
    // Behind 4 channels fit three candidates, of which two write 4; behind 6 channels fit all but the skip.
    EXPECT_EQ(count, 18);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, ChainLawTest, testing::Values(Precision::kInt8, Precision::kFp32),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST(ChainTest, OffersWhatFitsBehindThePredecessor) {
  const Space space = chain(kWidths);
  EXPECT_TRUE(space.is_chain());
  const LayerInfo& first = space.layers()[0];
  const LayerInfo& second = space.layers()[1];
  EXPECT_THAT(first.channels, ElementsAre(4, 6, 4, 6));
  EXPECT_THAT(first.offered, ElementsAre(true, true, false, false));
  EXPECT_THAT(second.offered, ElementsAre(true, true, true, true));
  EXPECT_EQ(first.in_channels, 4);
  EXPECT_EQ(first.out_channels, 6);
  EXPECT_EQ(second.in_channels, 6);
  std::vector<bool> fits;
  for (size_t predecessor = 0; predecessor < 4; ++predecessor) {
    for (size_t candidate = 0; candidate < 4; ++candidate) {
      fits.push_back(space.fits(1, predecessor, candidate));
    }
  }
  EXPECT_THAT(fits, ElementsAre(true, true, true, false, true, true, false, true, false, false, false, false,
                                false, false, false, false));
  EXPECT_TRUE(space.fits(0, 0, 1));
  EXPECT_FALSE(space.fits(0, 0, 2));
  EXPECT_FALSE(load("tiny").is_chain());
}

TEST(ChainTest, ReadsTheChannelsThatThePredecessorChose) {
  const Space space = chain(kWidths);
  EXPECT_EQ(block_fragment(space, 1, 1, Precision::kFp32, 0).parameters.at("expand_w").shape,
            net::Shape({8, 2, 1, 1}));
  const Fragment behind_wide = block_fragment(space, 1, 1, Precision::kFp32, 1);
  EXPECT_EQ(behind_wide.parameters.at("expand_w").shape, net::Shape({12, 3, 1, 1}));
  EXPECT_EQ(behind_wide.ops.back().type, "Sum");
  EXPECT_EQ(classifier_fragment(space, 0).parameters.at("logits_w").shape, net::Shape({3, 4}));
  EXPECT_EQ(classifier_fragment(space, 1).parameters.at("logits_w").shape, net::Shape({3, 6}));
  const net::Net net = lower(space, {1, 0}, Precision::kFp32);
  EXPECT_EQ(net.parameters.at("layer02_narrow_expand_w").shape, net::Shape({12, 6, 1, 1}));
  EXPECT_EQ(net.parameters.at("logits_w").shape, net::Shape({3, 4}));
}

TEST(ChainTest, RefusesNeighboursThatDoNotFit) {
  const Space space = chain(kWidths);
  LATGRAD_EXPECT_ERROR(
      space.check({1, 2}), ValueError,
      HasSubstr("layer 1 (counted from 0) must choose what fits behind wide of 6 channels, got skip of 4 "
                "channels"));
  LATGRAD_EXPECT_ERROR(space.parse_architecture("narrow grouped"), ValueError,
                       HasSubstr("layer 2 must choose what fits behind narrow of 4 channels"));
  LATGRAD_EXPECT_ERROR(lower_block(space, 1, 2, Precision::kFp32, 1), ValueError,
                       HasSubstr("behind wide of 6"));
  LATGRAD_EXPECT_ERROR(lower_block(space, 1, 2, Precision::kFp32, 4), ValueError,
                       HasSubstr("the predecessor in layer 0 (counted from 0) must be one of 0 narrow"));
  LATGRAD_EXPECT_ERROR(lower_fixed(space, Precision::kFp32, 4), ValueError, HasSubstr("must be one of"));
}

TEST(ChainTest, RefusesExpansionsWithoutAWholeNumber) {
  LATGRAD_EXPECT_ERROR(chain(R"(
    candidate { name: "a" channels: 5 conv { kernel: 1 } }
    candidate { name: "half" block { expand: 2.5 depthwise { kernel: 3 } } }
  )"),
                       ValueError, HasSubstr("candidate half in layer 2 behind a"));
  LATGRAD_EXPECT_ERROR(chain("candidate { name: \"a\" channels: 0 conv { kernel: 1 } }"), ValueError,
                       HasSubstr("candidate channels must be from 1 to 1048576, got 0"));
}

// Behind the 5 channels of `odd` nothing fits.
TEST(ChainTest, OffersNoDeadEnds) {
  const Space space = Space::parse(R"(
    name: "dead_end"
    input { height: 8 width: 8 }
    candidate { name: "even" conv { kernel: 1 } }
    candidate { name: "odd" channels: 5 conv { kernel: 3 } }
    candidate { name: "grouped" conv { kernel: 1 groups: 2 } }
    stage { name: "a" channels: 4 candidate: ["even", "odd"] }
    stage { name: "b" channels: 6 candidate: "grouped" }
    head { classes: 2 }
  )",
                                   "dead_end.textproto");
  EXPECT_THAT(space.layers()[0].offered, ElementsAre(true, false));
  EXPECT_EQ(space.layers()[0].out_channels, 4);
  EXPECT_FALSE(space.fits(0, 0, 1));
  EXPECT_THROW(space.check({1, 0}), ValueError);
}

TEST(ChainTest, RandomArchitecturesFitAndReachEveryPair) {
  const Space space = load("fbnet_v2_like");
  std::mt19937_64 random(5);
  std::vector<bool> seen(15 * 15);
  for (int i = 0; i < 5000; ++i) {
    const Architecture arch = random_architecture(space, random);
    ASSERT_NO_THROW(space.check(arch));
    seen[static_cast<size_t>(arch[6] * 15 + arch[7])] = true;
  }
  for (size_t pair = 0; pair < seen.size(); ++pair)
    EXPECT_EQ(seen[pair], space.fits(7, pair / 15, pair % 15));
}

// With `channels` that say the same as the stages, the pairs cost what the candidates do.
TEST(ChainTest, OneWidthPerStagePricesAsThePlainSpace) {
  const Space plain = load("tiny");
  std::string text = plain.text();
  const auto with_width = [&](std::string from) {
    const size_t at = from.find("candidate {\n  name: \"k3k3_e1\"\n");
    EXPECT_NE(at, std::string::npos);
    from.insert(at + std::string("candidate {\n").size(), "  channels: 16\n");
    return from;
  };
  const Space space = Space::parse(with_width(text), "tiny_chain.textproto");
  ASSERT_TRUE(space.is_chain());
  const lut::Table table = made_up_table(plain, Precision::kInt8);
  const LatencyModel model = build_latency_model(plain, table);
  const ChainModel of_pairs = build_chain_model(space, table);
  const ChainModel of_plain = build_chain_model(plain, table);
  EXPECT_THAT(of_pairs.missing, IsEmpty());
  EXPECT_EQ(of_pairs.valid, of_plain.valid);
  for (const lut::Statistic statistic : lut::kStatistics) {
    EXPECT_EQ(of_pairs.by(statistic).fixed_us, model.by(statistic).fixed_us);
    EXPECT_EQ(of_plain.by(statistic).fixed_us, model.by(statistic).fixed_us);
    EXPECT_EQ(of_pairs.by(statistic).table_us, of_plain.by(statistic).table_us);
  }
  for (size_t layer = 0; layer < 4; ++layer) {
    for (size_t predecessor = 0; predecessor < 4; ++predecessor) {
      for (size_t candidate = 0; candidate < 4; ++candidate) {
        if (!of_plain.is_valid(layer, predecessor, candidate)) continue;
        EXPECT_EQ(of_plain.at(layer, predecessor, candidate), model.at(layer, candidate));
      }
    }
  }
}

TEST(ChainModelTest, ListsWhatIsMissingAndMasksThePairs) {
  const Space space = chain(kWidths);
  const lut::Table table = made_up_table(space, Precision::kFp32, [](const MissingOperator& op) {
    return op.used_by != std::vector<std::string>{"layer 2 grouped"};
  });
  const ChainModel model = build_chain_model(space, table, {.precision = Precision::kFp32, .device = {}});
  EXPECT_TRUE(model.fixed_complete);
  EXPECT_FALSE(model.is_valid(1, 1, 3));
  EXPECT_TRUE(model.is_valid(1, 1, 1));
  ASSERT_FALSE(model.missing.empty());
  for (const MissingOperator& op : model.missing) EXPECT_THAT(op.used_by, ElementsAre("layer 2 grouped"));
  LATGRAD_EXPECT_ERROR(
      model.estimate_us({1, 3}), ValueError,
      HasSubstr("layer 1 (counted from 0) must choose a candidate that is offered, priced and fits behind 1, "
                "got 3"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({1}), ValueError, HasSubstr("for 2 layers, got 1"));
  LATGRAD_EXPECT_ERROR(model.estimate_us({1, 4}), ValueError, HasSubstr("from 0 to 3, got 4"));
}

// Without the classifier behind 4 channels, what ends in 4 channels has no price.
TEST(ChainModelTest, WhatFollowsTheLastLayerBelongsToIt) {
  const Space space = chain(kWidths);
  const lut::Table table = made_up_table(space, Precision::kFp32, [](const MissingOperator& op) {
    return op.key.op_type != "FC" || op.key.input_shapes[1] != net::Shape({3, 4});
  });
  const ChainModel model = build_chain_model(space, table, {.precision = Precision::kFp32, .device = {}});
  EXPECT_TRUE(model.fixed_complete);
  EXPECT_FALSE(model.is_valid(1, 0, 0));
  EXPECT_FALSE(model.is_valid(1, 0, 2));
  EXPECT_TRUE(model.is_valid(1, 0, 1));
  EXPECT_TRUE(model.is_valid(0, 0, 0));
  ASSERT_EQ(model.missing.size(), 1u);
  EXPECT_THAT(model.missing[0].used_by, ElementsAre("layer 2 narrow", "layer 2 skip"));
}

TEST(ChainTest, WhatNeedsIndependentLayersRefusesChains) {
  const Space space = chain(kWidths);
  const lut::Table table = made_up_table(space, Precision::kFp32);
  LATGRAD_EXPECT_ERROR(build_latency_model(space, table), ValueError,
                       HasSubstr("the latency model of a chain must be a chain model"));
  LATGRAD_EXPECT_ERROR(
      SpaceOperators(space, Precision::kFp32), ValueError,
      HasSubstr("a calibrated space must have layers whose channels do not depend on choices"));
  LATGRAD_EXPECT_ERROR(macs_of(space, Precision::kFp32), ValueError, HasSubstr("got chain, a chain"));
  LATGRAD_EXPECT_ERROR(least_peak_bytes(space, Precision::kFp32), ValueError, HasSubstr("that is searched"));
  LATGRAD_EXPECT_ERROR(search_space({.space = space,
                                     .scores = std::vector<double>(8),
                                     .costs = {{.table = std::vector<double>(8), .budget = 1}}}),
                       ValueError, HasSubstr("a space that is searched"));
}

TEST(ChainTest, ScalesTheWidthsOfCandidates) {
  const Space space = scaled(load("fbnet_v2_like"), {.width = 2});
  EXPECT_THAT(space.layers()[0].channels[0], 24);
  EXPECT_TRUE(space.is_chain());
  EXPECT_EQ(Space::parse(space.text(), "copy").text(), space.text());
}

TEST(ChainTest, CountsTheParametersOfWhatIsChosen) {
  const Space space = chain(kWidths);
  // The stem, a projection behind 4 channels each time, and the classifier.
  const int64_t norm = 2;
  EXPECT_EQ(trained_parameters(space, {0, 2}, Precision::kFp32),
            4 * (27 + norm) + 8 * (4 + norm) + 8 * (9 + norm) + 4 * (8 + norm) + 3 * 4 + 3);
  EXPECT_GT(peak_activation_bytes(space, {0, 2}, Precision::kFp32), 0);
}

}  // namespace
}  // namespace latgrad::search
