#include "latgrad/net/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "net/one_operator.h"
#include "net/spellings.h"

namespace latgrad::net {
namespace {

using test::i;
using test::ints;
using test::s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SpatialArguments conv(const std::vector<Argument>& args, size_t rank = 2) {
  return spatial_arguments(Arguments("Conv", args), rank);
}

TEST(ArgumentsTest, GiveTheDefaultOfWhatIsAbsent) {
  const std::vector<Argument> args = {i("group", 4), s("order", "nhwc")};
  const Arguments reader("Conv", args);
  EXPECT_EQ(reader.integer("group", 1), 4);
  EXPECT_EQ(reader.integer("axis", 7), 7);
  EXPECT_EQ(reader.number("alpha", 0.5F), 0.5F);
  EXPECT_EQ(reader.text("mode", "constant"), "constant");
  EXPECT_TRUE(reader.integers("axes").empty());
  EXPECT_TRUE(reader.is_nhwc());
  EXPECT_FALSE(Arguments("Conv", {}).is_nhwc());
  EXPECT_TRUE(Arguments("Int8Conv", {}).is_nhwc());
}

TEST(ArgumentsTest, RefuseAnotherKindOfValue) {
  const std::vector<Argument> args = {s("a", "x"), i("b", int64_t{1} << 40), s("order", "CHWN")};
  const Arguments reader("Conv", args);
  LATGRAD_EXPECT_ERROR(reader.integer("a", 0), ValueError, HasSubstr("a must be an integer (field \"a\")"));
  LATGRAD_EXPECT_ERROR(reader.number("a", 0), ValueError, HasSubstr("a must be a float"));
  LATGRAD_EXPECT_ERROR(reader.integers("a"), ValueError, HasSubstr("a must be a list of integers"));
  LATGRAD_EXPECT_ERROR(reader.text("b", ""), ValueError, HasSubstr("b must be a string"));
  LATGRAD_EXPECT_ERROR(reader.integer("b", 0), ValueError,
                       HasSubstr("b must fit in 32 bits, got 1099511627776"));
  LATGRAD_EXPECT_ERROR(reader.order(), ValueError, HasSubstr("order must be NCHW or NHWC, got \"CHWN\""));
}

TEST(SpatialArgumentsTest, DefaultsAreCaffe2s) {
  const SpatialArguments args = conv({i("kernel", 3)});
  EXPECT_THAT(args.stride, ElementsAre(1, 1));
  EXPECT_THAT(args.dilation, ElementsAre(1, 1));
  EXPECT_THAT(args.pads, ElementsAre(0, 0, 0, 0));
  EXPECT_TRUE(args.adj.empty());
}

TEST(SpatialArgumentsTest, ASingleValueStandsForEveryDimension) {
  EXPECT_THAT(conv({i("kernel", 3), i("pad", 1)}, 1).pads, ElementsAre(1, 1));
  EXPECT_THAT(conv({i("kernel", 3), i("stride", 2)}, 3).stride, ElementsAre(2, 2, 2));
}

TEST(SpatialArgumentsTest, RefuseWhatCaffe2Refuses) {
  const auto expect = [](const std::vector<Argument>& args, const std::string& message) {
    LATGRAD_EXPECT_ERROR(conv(args), ValueError, HasSubstr(message));
  };
  expect({}, "the argument kernel (or kernels, or kernel_h and kernel_w) must be given");
  expect({i("kernel_w", 3)}, "the argument kernel (or kernels, or kernel_h and kernel_w) must be given");
  expect({i("kernel", 0)}, "kernel must be positive, got 0");
  expect({i("kernel", 3), i("stride", 0)}, "stride must be positive, got 0");
  expect({i("kernel", 3), i("pad", -1)}, "pad must not be negative, got -1");
  expect({i("kernel", 3), s("stride_h", "2")}, "stride_h must be an integer");
  expect({ints("kernels", {3, 3, 3})}, "kernels must have one value for each of the 2 spatial dimensions");
  expect({ints("kernels", {3, 3}), i("kernel_h", 3), i("kernel_w", 3)}, "got [3, 3, 3, 3]");
  expect({i("kernel", 3), ints("pads", {1, 1})}, "pads must have two values for each of the 2");
  expect({i("kernel", 3), i("legacy_pad", 1), i("pad", 0)},
         "pads must not be given together with legacy_pad 1");
  expect({i("global_pooling", 1), i("pad", 1)}, "global_pooling must have pad 0, stride 1 and dilation 1");
}

// The property: whatever the spelling, the reader gives what Caffe2's constructor, written out in
// spellings.h, gives, or refuses where it gives lists that do not fit.
TEST(SpatialArgumentsTest, EveryCombinationOfSpellingsIsReadAsCaffe2ReadsIt) {
  size_t read = 0;
  for (const test::Spelled& spelled : test::spelled_windows()) {
    const test::Caffe2Window expected = test::caffe2_window(spelled);
    if (!expected.fits(2)) {
      EXPECT_THROW(conv(spelled.args), ValueError) << spelled.text();
      continue;
    }
    ++read;
    const SpatialArguments args = conv(spelled.args);
    EXPECT_EQ(args.kernel, expected.kernel) << spelled.text();
    EXPECT_EQ(args.stride, expected.stride) << spelled.text();
    EXPECT_EQ(args.dilation, expected.dilation) << spelled.text();
    EXPECT_EQ(args.pads, expected.pads) << spelled.text();
    // Shape inference reads them so, too.
    EXPECT_EQ(test::out_shape("Conv", {{1, 2, 40, 40}, {3, 2, expected.kernel[0], expected.kernel[1]}},
                              spelled.args),
              test::out_shape("Conv", {{1, 2, 40, 40}, {3, 2, expected.kernel[0], expected.kernel[1]}},
                              expected.as_lists()))
        << spelled.text();
  }
  EXPECT_GT(read, 500);
}

TEST(SpatialArgumentsTest, RefuseAnImageOfMoreThanThreeSpatialDimensions) {
  for (size_t rank = 4; rank < 40; ++rank) {
    LATGRAD_EXPECT_ERROR(
        conv({i("kernel", 1)}, rank), ValueError,
        HasSubstr("an image must have 1 to 3 spatial dimensions, got " + std::to_string(rank)));
  }
}

TEST(SpatialArgumentsTest, BesideAListASingleValueKnowsTwoAxesWhateverTheImage) {
  LATGRAD_EXPECT_ERROR(conv({ints("kernels", {3, 3, 5}), i("kernel", 7)}, 3), ValueError,
                       HasSubstr("got [3, 3]"));
}

TEST(WindowOverTest, LegacyPaddingOfCaffeAddsRowsAtTheEndOnly) {
  const auto over = [](std::vector<Argument> args, Shape spatial) {
    args.push_back(i("legacy_pad", 3));
    return window_over(Arguments("MaxPool", args), spatial);
  };
  const AppliedWindow even = over({i("kernel", 2), i("stride", 2)}, {6, 6});
  EXPECT_EQ(even.counts, (Shape{3, 3}));
  EXPECT_THAT(even.pads, ElementsAre(0, 0, 0, 0));
  const AppliedWindow odd = over({i("kernel", 2), i("stride", 2)}, {7, 6});
  EXPECT_EQ(odd.counts, (Shape{4, 3}));
  EXPECT_THAT(odd.pads, ElementsAre(0, 0, 2, 0));
  // The kernel need not fit.
  EXPECT_EQ(over({i("kernel", 3), i("stride", 2)}, {2, 5}).counts, (Shape{1, 2}));
  LATGRAD_EXPECT_ERROR(over({i("kernel", 3), i("stride", 2)}, {1, 5}), ValueError,
                       HasSubstr("the kernel must fit in the padded input, got kernel 3"));
}

TEST(WindowOverTest, LegacyPaddingSameKeepsTheImage) {
  const std::vector<Argument> args = {i("kernel", 3), i("stride", 2), i("legacy_pad", 2)};
  const AppliedWindow window = window_over(Arguments("Conv", args), {8, 7});
  EXPECT_EQ(window.counts, (Shape{4, 4}));
  EXPECT_THAT(window.pads, ElementsAre(0, 1, 1, 1));  // the odd one at the end
}

TEST(WindowOverTest, GlobalPoolingCoversTheImageWhateverElseIsSaid) {
  const std::vector<Argument> args = {i("global_pooling", 1), i("kernel", 3), i("legacy_pad", 3)};
  const AppliedWindow window = window_over(Arguments("AveragePool", args), {7, 5});
  EXPECT_THAT(window.kernel, ElementsAre(7, 5));
  EXPECT_EQ(window.counts, (Shape{1, 1}));
}

}  // namespace
}  // namespace latgrad::net
