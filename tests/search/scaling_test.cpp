#include "latgrad/search/scaling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/search/fragment.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::HasSubstr;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

std::string error_of(const Scale& scale) {
  try {
    scaled(load("tiny"), scale);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ScalingTest, WidthIsRoundedToMultiplesOfEight) {
  const Space half = scaled(load("fbnet"), {.width = 0.5});
  // 16 24 32 64 112 184 352 by half: 8 12 16 32 56 92 176, of which 12 and 92 are no multiples of 8.
  std::vector<int64_t> channels;
  for (const size_t layer : {0, 1, 5, 9, 13, 17, 21}) channels.push_back(half.layers()[layer].out_channels);
  EXPECT_EQ(channels, (std::vector<int64_t>{8, 16, 16, 32, 56, 96, 176}));
  EXPECT_EQ(half.name(), "fbnet_w0.5");
  EXPECT_EQ(half.layers().size(), 22u);
  EXPECT_EQ(half.architectures().size(), 3u);
  EXPECT_EQ(stem_fragment(half, Precision::kInt8).parameters.at("stem_w").shape.front(), 8);
  EXPECT_EQ(head_fragment(half, Precision::kInt8).parameters.at("head_w").shape.front(), 992);
}

TEST(ScalingTest, WidthNeverTakesMoreThanATenth) {
  // 184 by 0.1 is 18.4: 16 is more than a tenth below, so 24.
  EXPECT_EQ(scaled(load("fbnet"), {.width = 0.1}).layers()[17].out_channels, 24);
}

TEST(ScalingTest, DepthKeepsALayerOfEveryStageAndDropsArchitecturesThatNoLongerFit) {
  const Space flat = scaled(load("fbnet"), {.depth = 0.5});
  EXPECT_EQ(flat.layers().size(), 12u);  // 1 2 2 2 2 2 1
  EXPECT_TRUE(flat.architectures().empty());
  EXPECT_EQ(flat.name(), "fbnet_d0.5");
  EXPECT_EQ(scaled(load("tiny"), {.depth = 0.5}).architectures().size(), 2u);  // one layer a stage stays one
}

TEST(ScalingTest, ResolutionAndClassesAreSet) {
  const Space small =
      scaled(load("fbnet_cifar"), {.width = 0.25, .depth = 0.5, .resolution = 16, .classes = 4});
  EXPECT_EQ(small.input_shape(), (net::Shape{1, 3, 16, 16}));
  EXPECT_EQ(classifier_fragment(small).parameters.at("logits_w").shape.front(), 4);
  EXPECT_EQ(small.name(), "fbnet_cifar_w0.25_d0.5_r16_c4");
}

TEST(ScalingTest, ScalesChannelsThatAreGivenAsANumber) {
  const char* text = R"(
    name: "absolute"
    input { height: 8 width: 8 }
    candidate { name: "a" block { expand_channels: 48 depthwise { kernel: 3 } } }
    stage { name: "s" channels: 16 }
    head { classes: 2 })";
  const Space half = scaled(Space::parse(text, "absolute"), {.width = 0.5});
  EXPECT_EQ(block_fragment(half, 0, 0, Precision::kInt8).parameters.at("expand_w").shape.front(), 24);
}

TEST(ScalingTest, TheResultReadsBackAsItself) {
  const Space small = scaled(load("fbnet_cifar"), {.width = 0.25, .depth = 0.3});
  EXPECT_EQ(Space::parse(small.text(), "text").text(), small.text());
}

TEST(ScalingTest, NothingScaledIsTheSpaceItself) {
  const Space space = load("fbnet_c");
  EXPECT_EQ(scaled(space, {}).text(), space.text());
  EXPECT_EQ(scaled(space, {.resolution = 224, .classes = 1000}).text(), space.text());
}

TEST(ScalingTest, RefusesWhatIsNoFactor) {
  EXPECT_THAT(error_of({.width = 0}), HasSubstr("width must be from 1/1024 to 1024, got 0"));
  EXPECT_THAT(error_of({.depth = -1}), HasSubstr("depth must be from 1/1024 to 1024, got -1"));
  EXPECT_THAT(error_of({.width = std::numeric_limits<double>::quiet_NaN()}), HasSubstr("got nan"));
  EXPECT_THAT(error_of({.resolution = 0}), HasSubstr("input height must be from 1"));
  EXPECT_THAT(error_of({.classes = 0}), HasSubstr("head classes must be from 1"));
}

}  // namespace
}  // namespace latgrad::search
