#include "operator_args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using lut::OperatorKey;
using net::Argument;
using ::testing::ElementsAre;

template <typename E, typename F>
std::string message_of(F function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

OperatorKey conv_key(std::vector<Argument> args) { return {"Conv", std::move(args), {}, {}}; }
Argument ints_arg(std::string name, std::vector<int64_t> ints) {
  Argument arg;
  arg.name = std::move(name);
  arg.ints = std::move(ints);
  return arg;
}

TEST(SpatialArgsTest, DefaultsAreCaffe2s) {
  SpatialArgs args = spatial_args(conv_key({}));
  EXPECT_THAT(args.stride, ElementsAre(1, 1));
  EXPECT_THAT(args.dilation, ElementsAre(1, 1));
  EXPECT_THAT(args.pads, ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(args.group, 1);
  EXPECT_FALSE(args.nhwc);
}

TEST(SpatialArgsTest, AllSpellingsSayTheSame) {
  SpatialArgs one = spatial_args(conv_key({Argument::of_int("kernel", 3), Argument::of_int("stride", 2),
                                           Argument::of_int("pad", 1), Argument::of_int("dilation", 2)}));
  SpatialArgs lists = spatial_args(conv_key({ints_arg("kernels", {3, 3}), ints_arg("strides", {2, 2}),
                                             ints_arg("pads", {1, 1, 1, 1}), ints_arg("dilations", {2, 2})}));
  SpatialArgs each = spatial_args(conv_key(
      {Argument::of_int("kernel_h", 3), Argument::of_int("kernel_w", 3), Argument::of_int("stride_h", 2),
       Argument::of_int("stride_w", 2), Argument::of_int("pad_t", 1), Argument::of_int("pad_l", 1),
       Argument::of_int("pad_b", 1), Argument::of_int("pad_r", 1), Argument::of_int("dilation_h", 2),
       Argument::of_int("dilation_w", 2)}));
  for (const SpatialArgs& args : {one, lists, each}) {
    EXPECT_THAT(args.kernel, ElementsAre(3, 3));
    EXPECT_THAT(args.stride, ElementsAre(2, 2));
    EXPECT_THAT(args.symmetric_pad(), ElementsAre(1, 1));
    EXPECT_THAT(args.dilation, ElementsAre(2, 2));
  }
}

TEST(SpatialArgsTest, RefusesWhatCannotBeMeasured) {
  auto message = [](std::vector<Argument> args) {
    return message_of<ValueError>([&] { spatial_args(conv_key(args)).symmetric_pad(); });
  };
  EXPECT_EQ(message({Argument::of_int("stride", 0)}), "stride must be at least 1, got 0");
  EXPECT_EQ(message({Argument::of_int("pad", -1)}), "pad must be at least 0, got -1");
  EXPECT_EQ(message({Argument::of_int("group", 0)}), "group must be at least 1, got 0");
  EXPECT_EQ(message({Argument::of_int("legacy_pad", 2)}), "legacy_pad must be 0 to be measured, got 2");
  EXPECT_EQ(message({ints_arg("kernels", {3, 3, 3})}), "kernels must have 2 values, got 3");
  EXPECT_EQ(message({Argument::of_string("order", "CHWN")}), "order must be NCHW or NHWC, got \"CHWN\"");
  EXPECT_EQ(message({ints_arg("pads", {0, 1, 1, 1})}),
            "pads must be equal on opposite sides, got top 0, left 1, bottom 1, right 1");
}

}  // namespace
}  // namespace latgrad::runner
