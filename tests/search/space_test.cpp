// What a space file says, and what it must not.

#include "latgrad/search/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "latgrad/base/error.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

TEST(SpaceTest, FbnetHasTheLayersOfThePaper) {
  const Space space = load("fbnet");
  EXPECT_EQ(space.name(), "fbnet");
  EXPECT_EQ(space.input_shape(), net::Shape({1, 3, 224, 224}));
  EXPECT_EQ(space.max_candidates(), 9u);
  ASSERT_THAT(space.layers(), SizeIs(22));
  std::vector<int64_t> channels, strides, heights;
  for (const LayerInfo& layer : space.layers()) {
    channels.push_back(layer.out_channels);
    strides.push_back(layer.stride);
    heights.push_back(layer.out_height);
    EXPECT_THAT(layer.candidates, ElementsAre("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2",
                                              "k5_e3", "k5_e6", "skip"));
    EXPECT_EQ(layer.offered, std::vector<bool>(9, true));
    EXPECT_EQ(layer.out_width, layer.out_height);
  }
  EXPECT_THAT(channels, ElementsAre(16, 24, 24, 24, 24, 32, 32, 32, 32, 64, 64, 64, 64, 112, 112, 112, 112,
                                    184, 184, 184, 184, 352));
  EXPECT_THAT(strides, ElementsAre(1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1));
  EXPECT_THAT(heights, ElementsAre(112, 56, 56, 56, 56, 28, 28, 28, 28, 14, 14, 14, 14, 14, 14, 14, 14, 7, 7,
                                   7, 7, 7));
  EXPECT_EQ(space.layers()[0].in_channels, 16);
  EXPECT_EQ(space.layers()[0].in_height, 112);
}

TEST(SpaceTest, TinyIsRagged) {
  const Space space = load("tiny");
  EXPECT_EQ(space.max_candidates(), 4u);
  ASSERT_THAT(space.layers(), SizeIs(4));
  EXPECT_THAT(space.layers()[0].candidates, ElementsAre("k3_e1", "skip"));
  EXPECT_THAT(space.layers()[1].candidates, ElementsAre("k3_e1", "k3_e3", "k5_e3_g2"));
  EXPECT_THAT(space.layers()[2].candidates, ElementsAre("k3k3_e1"));
  EXPECT_THAT(space.layers()[3].candidates, ElementsAre("k3_e3", "k5_e3_g2", "k3_e1", "skip"));
  EXPECT_THAT(space.layers()[3].offered, ElementsAre(true, true, true, false));
  EXPECT_THAT(space.layers()[0].offered, ElementsAre(true, true));
  EXPECT_EQ(space.layers()[3].out_height, 4);
}

constexpr const char* kBase = R"(
  name: "s"
  input { height: 15 width: 8 }
  stem { channels: 4 kernel: 3 stride: 2 }
  candidate { name: "c" block { expand: 1 depthwise { kernel: 3 } } }
  candidate { name: "skip" skip {} }
  stage { name: "a" channels: 4 stride: 2 }
  head { classes: 2 }
)";

TEST(SpaceTest, RoundsOddMapsUp) {
  const Space space = Space::parse(kBase, "s.textproto");
  const LayerInfo& layer = space.layers().at(0);
  EXPECT_EQ(layer.in_height, 8);  // (15 + 2 - 3) / 2 + 1
  EXPECT_EQ(layer.in_width, 4);   // (8 + 2 - 3) / 2 + 1, rounded down
  EXPECT_EQ(layer.out_height, 4);
  EXPECT_EQ(layer.out_width, 2);
  const Space odd =
      Space::parse(std::string(kBase) + "stage { name: \"b\" channels: 4 stride: 3 }", "s.textproto");
  EXPECT_EQ(odd.layers().at(1).out_height, 2);  // ceil(4 / 3)
  EXPECT_EQ(odd.layers().at(1).out_width, 1);
}

TEST(SpaceTest, SkipIsOfferedOnlyWhereTheShapeStays) {
  const Space space = Space::parse(std::string(kBase) + R"(
    stage { name: "b" channels: 4 }
    stage { name: "c" channels: 6 }
  )",
                                   "s.textproto");
  EXPECT_FALSE(space.layers()[0].offered[1]);  // the map shrinks
  EXPECT_TRUE(space.layers()[1].offered[1]);
  EXPECT_FALSE(space.layers()[2].offered[1]);  // the channels grow
}

TEST(SpaceTest, TextReadsBackAsTheSameSpace) {
  for (const char* file : {"fbnet", "fbnet_a", "fbnet_c", "fbnet_96", "fbnet_cifar", "chamnet_a", "chamnet_c",
                           "chamnet_e", "tiny"}) {
    SCOPED_TRACE(file);
    const Space space = load(file);
    const Space again = Space::parse(space.text(), "text");
    EXPECT_EQ(again.text(), space.text());
    EXPECT_EQ(again.name(), space.name());
    EXPECT_EQ(again.architectures(), space.architectures());
    EXPECT_EQ(again.input_shape(), space.input_shape());
    ASSERT_EQ(again.layers().size(), space.layers().size());
    EXPECT_EQ(again.layers().back().candidates, space.layers().back().candidates);
    EXPECT_EQ(space.name(), file);
  }
}

TEST(SpaceTest, CifarEndsWithAMapOfFour) {
  const Space space = load("fbnet_cifar");
  EXPECT_EQ(space.input_shape(), net::Shape({1, 3, 32, 32}));
  EXPECT_EQ(space.layers().back().out_height, 4);
  EXPECT_THAT(space.layers(), SizeIs(22));
}

template <typename ExpectedError>
void expect_refused(const std::string& text, const std::string& message) {
  try {
    Space::parse(text, "s.textproto");
    ADD_FAILURE() << "accepted, expected: " << message << "\n" << text;
  } catch (const ExpectedError& error) {
    EXPECT_EQ(std::string(error.what()), message);
  }
}

// kBase with one piece of its text replaced.
std::string base_with(const std::string& piece, const std::string& replacement) {
  std::string text = kBase;
  const size_t at = text.find(piece);
  EXPECT_NE(at, std::string::npos) << piece;
  return text.replace(at, piece.size(), replacement);
}

TEST(SpaceTest, RefusesTextThatBreaksTheSchema) {
  expect_refused<ParseError>(
      "name: \"s\"\ninput { hieght: 3 }",
      "space text is malformed: Message type \"latgrad.space.Input\" has no field named "
      "\"hieght\". (s.textproto, line 2)");
  EXPECT_THROW(Space::parse("name: \"s", "s"), ParseError);
  EXPECT_THROW(Space::parse("{{{{", "s"), ParseError);
  EXPECT_THROW(Space::parse(base_with("stem {", "depthwise_relu: SOMETIMES stem {"), "s"), ParseError);
  EXPECT_THROW(Space::parse(base_with("name: \"s\"", "name: \"s\" name: \"t\""), "s"), ParseError);
  EXPECT_THROW(Space::parse(base_with("height: 15", "height: 99999999999999999999"), "s"), ParseError);
  EXPECT_THROW(Space::parse(std::string(5 << 20, '#'), "s"), ParseError);
  EXPECT_THROW(Space::parse(std::string(100000, '{'), "s"), ParseError);
}

TEST(SpaceTest, RefusesABaseInText) {
  expect_refused<ParseError>("base: \"fbnet.textproto\"",
                             "a space given as text must not extend a file, got base \"fbnet.textproto\" "
                             "(s.textproto, field \"base\")");
  expect_refused<ParseError>("drop: STAGES",
                             "drop needs a base, got drop STAGES without one (s.textproto, field \"drop\")");
}

TEST(SpaceTest, RefusesMissingParts) {
  expect_refused<ValueError>(base_with("name: \"s\"", ""),
                             "a space must have a name, got none (s.textproto, field \"name\")");
  expect_refused<ValueError>(
      base_with("input { height: 15 width: 8 }", "input { height: 15 }"),
      "input width must be from 1 to 16384, got 0 (s.textproto, field \"input.width\")");
  expect_refused<ValueError>(base_with("stage { name: \"a\" channels: 4 stride: 2 }", ""),
                             "a space must have at least one stage, got none (s.textproto, field \"stage\")");
  expect_refused<ValueError>(
      base_with("head { classes: 2 }", ""),
      "head classes must be from 1 to 1048576, got 0 (s.textproto, field \"head.classes\")");
  expect_refused<ValueError>(
      base_with("block { expand: 1 depthwise { kernel: 3 } }", ""),
      "a candidate must be a block, skip, conv, pool, transformer or operators, got none of them (s.textproto, field \"candidate c in "
      "layer 1\")");
  expect_refused<ValueError>(
      "name: \"s\" input { height: 8 width: 8 } stage { name: \"a\" channels: 4 } head { classes: 2 }",
      "a stage must have at least one candidate, got none (s.textproto, field \"stage a\")");
}

TEST(SpaceTest, RefusesNumbersOutOfRange) {
  expect_refused<ValueError>(
      base_with("height: 15", "height: -1"),
      "input height must be from 1 to 16384, got -1 (s.textproto, field \"input.height\")");
  expect_refused<ValueError>(
      base_with("height: 15", "batch: 0 height: 15"),
      "input batch must be from 1 to 4096, got 0 (s.textproto, field \"input.batch\")");
  expect_refused<ValueError>(
      base_with("kernel: 3 stride: 2", "kernel: 3 stride: 0"),
      "stem stride must be from 1 to 1024, got 0 (s.textproto, field \"stem.stride\")");
  expect_refused<ValueError>(base_with("kernel: 3 stride: 2", "kernel: 9 pad: 0"),
                             "stem kernel must fit into the padded input, got kernel 9 on 15 x 8 with pad 0 "
                             "(s.textproto, field \"stem.kernel\")");
  expect_refused<ValueError>(
      base_with("channels: 4 stride: 2 }", "channels: 4 layers: 9223372036854775807 }"),
      "stage layers must be from 1 to 4096, got 9223372036854775807 (s.textproto, field \"stage "
      "a\")");
  expect_refused<ValueError>(
      base_with("channels: 4 stride: 2 }", "channels: 0 }"),
      "stage channels must be from 1 to 1048576, got 0 (s.textproto, field \"stage a\")");
  expect_refused<ValueError>(base_with("channels: 4 stride: 2 }", "channels: 4 stride: -2 }"),
                             "stage stride must be from 1 to 1024, got -2 (s.textproto, field \"stage a\")");
}

TEST(SpaceTest, RefusesBlocksThatALayerCannotHave) {
  const std::string block = "block { expand: 1 depthwise { kernel: 3 } }";
  const std::string place = " (s.textproto, field \"candidate c in layer 1\")";
  const auto refused = [&](const std::string& replacement, const std::string& message) {
    expect_refused<ValueError>(base_with(block, replacement), message + place);
  };
  refused("block { expand: 1 }", "a block must have at least one depthwise convolution, or conv, got none");
  refused("block { expand: 1 depthwise { kernel: 4 } }", "depthwise kernel must be odd, got 4");
  refused("block { expand: 1 depthwise { } }", "depthwise kernel must be from 1 to 1023, got 0");
  refused("block { expand: 1 depthwise { kernel: 3 dilation: 0 } }",
          "depthwise dilation must be from 1 to 1023, got 0");
  refused("block { expand: 1 groups: 3 depthwise { kernel: 3 } }",
          "groups must divide the channels, got 3 groups of 4 channels");
  refused("block { expand: 1 groups: 0 depthwise { kernel: 3 } }", "groups must be from 1 to 1048576, got 0");
  refused("block { expand: 1.3 depthwise { kernel: 3 } }",
          "expand must give a whole number of channels from 1 to 1048576, got 1.3 * 4");
  refused("block { expand: 0 depthwise { kernel: 3 } }",
          "expand must give a whole number of channels from 1 to 1048576, got 0 * 4");
  refused("block { expand: nan depthwise { kernel: 3 } }",
          "expand must give a whole number of channels from 1 to 1048576, got nan * 4");
  refused("block { expand: 1e300 depthwise { kernel: 3 } }",
          "expand must give a whole number of channels from 1 to 1048576, got 1e+300 * 4");
  refused("block { expand: 1 expand_channels: 4 depthwise { kernel: 3 } }",
          "a block must give expand or expand_channels, got both");
  refused("block { expand_channels: -4 depthwise { kernel: 3 } }",
          "expand_channels must be from 1 to 1048576, got -4");
}

TEST(SpaceTest, AcceptsRatiosThatGiveWholeChannels) {
  const Space space = Space::parse(base_with("expand: 1 ", "expand: 2.25 "), "s.textproto");
  EXPECT_THAT(space.layers(), SizeIs(1));
}

TEST(SpaceTest, RefusesNamesThatClash) {
  expect_refused<ValueError>(
      base_with("name: \"skip\"", "name: \"c\""),
      "every candidate must have a name of its own, got \"c\" twice (s.textproto, field "
      "\"candidate\")");
  expect_refused<ValueError>(
      base_with("name: \"c\"", "name: \"12\""),
      "candidate name must not be a number, which reads as an index, got \"12\" (s.textproto, "
      "field \"candidate name\")");
  expect_refused<ValueError>(
      base_with("name: \"c\"", "name: \"a,b\""),
      "candidate name must be a word without commas, got \"a,b\" (s.textproto, field \"candidate "
      "name\")");
  expect_refused<ValueError>(base_with("name: \"a\" channels", "channels"),
                             "every stage must have a name, got one without (s.textproto, field \"stage\")");
  expect_refused<ValueError>(
      base_with("channels: 4 stride: 2 }", "channels: 4 candidate: \"x\" }"),
      "a stage must list candidates of the space, got \"x\" (s.textproto, field \"stage a\")");
  expect_refused<ValueError>(
      base_with("channels: 4 stride: 2 }", "channels: 4 candidate: [\"c\", \"c\"] }"),
      "a stage must list each candidate once, got \"c\" twice (s.textproto, field \"stage a\")");
}

TEST(SpaceTest, RefusesALayerThatOffersNothing) {
  expect_refused<ValueError>(
      base_with("channels: 4 stride: 2 }", "channels: 4 stride: 2 candidate: \"skip\" }"),
      "a layer must offer at least one candidate, got none that fits (s.textproto, field \"layer "
      "1\")");
}

TEST(SpaceTest, RefusesArgumentsThatTheLoweringWrites) {
  const std::string head = "head { classes: 2 }";
  const auto rule = [&](const std::string& body) {
    return base_with(head, head + " arguments { name: \"r\" " + body + " }");
  };
  expect_refused<ValueError>(rule("applies_to: CONV arg { name: \"kernel\" i: 1 }"),
                             "an argument rule must not set what the lowering sets, got \"kernel\" for CONV "
                             "(s.textproto, field \"arguments r\")");
  expect_refused<ValueError>(
      rule("applies_to: [FC, CHANNEL_SHUFFLE] arg { name: \"group\" i: 1 }"),
      "an argument rule must not set what the lowering sets, got \"group\" for CHANNEL_SHUFFLE "
      "(s.textproto, field \"arguments r\")");
  expect_refused<ValueError>(rule("applies_to: SUM arg { name: \"Y_scale\" f: 1 }"),
                             "an argument rule must not set what the lowering sets, got \"Y_scale\" for SUM "
                             "(s.textproto, field \"arguments r\")");
  expect_refused<ValueError>(
      rule("arg { name: \"x\" i: 1 }"),
      "an argument rule must apply to at least one operator class, got none (s.textproto, field "
      "\"arguments r\")");
  expect_refused<ValueError>(rule("applies_to: CONV arg { i: 1 }"),
                             "an argument must have a name, got none (s.textproto, field \"arguments r\")");
}

TEST(SpaceTest, RefusesArchitecturesThatDoNotFit) {
  const std::string head = "head { classes: 2 }";
  expect_refused<ValueError>(
      base_with(head, head + " architecture { name: \"x\" layers: \"c c\" }"),
      "an architecture of s must choose for 1 layers, got 2 choices (s.textproto, field "
      "\"architecture x\")");
  expect_refused<ValueError>(
      base_with(head, head + " architecture { name: \"x\" layers: \"skip\" }"),
      "layer 1 must be one of those offered of 0 c, 1 skip (not offered here); got 1 skip "
      "(s.textproto, field \"architecture x\")");
  expect_refused<ValueError>(base_with(head, head + " architecture { name: \" x\" layers: \"c\" }"),
                             "an architecture name must not be empty, nor begin or end with a space or "
                             "comma, got \" x\" (s.textproto, field "
                             "\"architecture  x\")");
  expect_refused<ValueError>(
      base_with(
          head,
          head + " architecture { name: \"x\" layers: \"c\" } architecture { name: \"x\" layers: \"c\" }"),
      "every architecture must have a unique name, got \"x\" twice (s.textproto, field \"architecture "
      "x\")");
}

TEST(SpaceTest, PrecisionsReadAsTheyAreWritten) {
  EXPECT_EQ(parse_precision("int8"), Precision::kInt8);
  EXPECT_EQ(parse_precision("fp32"), Precision::kFp32);
  EXPECT_EQ(to_string(Precision::kInt8), "int8");
  EXPECT_EQ(to_string(Precision::kFp32), "fp32");
  try {
    parse_precision("int4");
    ADD_FAILURE();
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("precision must be int8 or fp32, got \"int4\""));
  }
}

}  // namespace
}  // namespace latgrad::search
