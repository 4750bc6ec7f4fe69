// Small integer tensors that are known without running the network.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/inline_branches.h"
#include "latgrad/net/netdef.h"

namespace latgrad::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Net net_of(const std::string& text, const std::string& init = "") {
  Net net = parse_netdef_text(text, "model.pbtxt");
  if (!init.empty()) add_init_net(net, init, "init.pbtxt");
  return net;
}

NetShapes shapes_of(const std::string& text, const std::map<std::string, Shape>& inputs,
                    const std::string& init = "") {
  Net net = net_of(text, init);
  for (const auto& [blob, shape] : inputs) set_input(net, blob, shape);
  return infer_shapes(net);
}

std::string fill(const std::string& blob, const std::string& type, const std::vector<std::string>& values) {
  std::string text = "op { type: \"" + type + "\" output: \"" + blob +
                     "\" arg { name: \"shape\" ints: " + std::to_string(values.size()) +
                     " } arg { name: \"values\"";
  for (const std::string& value : values)
    text += (type == "GivenTensorFill" ? " floats: " : " ints: ") + value;
  return text + " } }";
}

TEST(ValuesTest, AReshapeTakesItsShapeFromTheInitNet) {
  const NetShapes shapes = shapes_of(
      R"(op { type: "Reshape" input: "x" input: "target" output: "y" output: "old" } external_input: "x" external_input: "target")",
      {{"x", {3, 5, 8}}}, fill("target", "GivenTensorInt64Fill", {"0", "-1", "4"}));
  EXPECT_EQ(shapes.blobs.at("y").shape, (Shape{3, 10, 4}));
  EXPECT_EQ(shapes.blobs.at("old"), (TensorInfo{{3}, DataType::kInt64}));
  EXPECT_EQ(shapes.values.at("old"), (Values{3, 5, 8}));
}

// x.view(x.size(0), -1), as exporters write it.
constexpr const char* kView = R"(
op { type: "Shape" input: "x" output: "shape" }
op { type: "GivenTensorInt64Fill" output: "zero" arg { name: "shape" ints: 1 } arg { name: "values" ints: 0 } }
op { type: "Gather" input: "shape" input: "zero" output: "batch" }
op { type: "ConstantFill" output: "open" arg { name: "shape" ints: 1 } arg { name: "value" i: -1 } arg { name: "dtype" i: 10 } }
op { type: "Concat" input: "batch" input: "open" output: "target" output: "info" arg { name: "axis" i: 0 } }
op { type: "Reshape" input: "x" input: "target" output: "y" output: "old" }
external_input: "x")";

TEST(ValuesTest, AViewIsFollowedFromTheShapeOn) {
  EXPECT_EQ(shapes_of(kView, {{"x", {2, 5, 8}}}).blobs.at("y").shape, (Shape{2, 40}));
}

TEST(ValuesTest, ArithmeticSlicesCastsAndSqueezesAreFollowed) {
  const NetShapes shapes = shapes_of(R"(
op { type: "Shape" input: "x" output: "s32" }
op { type: "Cast" input: "s32" output: "s" arg { name: "to" i: 10 } }
op { type: "Slice" input: "s" output: "hw" arg { name: "starts" ints: 2 } arg { name: "ends" ints: -1 } }
op { type: "ConstantFill" output: "two" arg { name: "shape" ints: 1 } arg { name: "value" i: 2 } }
op { type: "Mul" input: "hw" input: "two" output: "double" }
op { type: "Add" input: "double" input: "two" output: "more" }
op { type: "Div" input: "more" input: "two" output: "half" }
op { type: "Sub" input: "half" input: "two" output: "less" }
op { type: "ExpandDims" input: "less" output: "row" arg { name: "dims" ints: 0 } }
op { type: "Squeeze" input: "row" output: "flat" arg { name: "dims" ints: 0 } }
op { type: "ConstantFill" input: "flat" output: "made" arg { name: "input_as_shape" i: 1 } }
external_input: "x")",
                                     {{"x", {1, 3, 7, 9}}});
  EXPECT_EQ(shapes.values.at("hw"), (Values{7, 9}));
  EXPECT_EQ(shapes.values.at("half"), (Values{8, 10}));
  EXPECT_EQ(shapes.blobs.at("made").shape, (Shape{6, 8}));
}

TEST(ValuesTest, DivisionOfWholeNumbersRoundsTowardsZero) {
  const NetShapes shapes = shapes_of(R"(
op { type: "Shape" input: "x" output: "s" }
op { type: "ConstantFill" output: "two" arg { name: "shape" ints: 1 } arg { name: "value" i: 2 } }
op { type: "Div" input: "s" input: "two" output: "half" }
external_input: "x")",
                                     {{"x", {7, 9}}});
  EXPECT_EQ(shapes.values.at("half"), (Values{3, 4}));
}

TEST(ValuesTest, EveryOperatorThatTakesThemIsToldByThem) {
  const auto out = [](const std::string& op, const std::string& init) {
    return shapes_of(op + R"( external_input: "x")", {{"x", {2, 6, 8, 10}}}, init).blobs.at("y").shape;
  };
  EXPECT_EQ(
      out(R"(op { type: "Slice" input: "x" input: "from" input: "to" output: "y" })",
          fill("from", "GivenTensorIntFill", {"0", "1"}) + fill("to", "GivenTensorIntFill", {"-1", "4"})),
      (Shape{2, 3, 8, 10}));
  EXPECT_EQ(
      out(R"(op { type: "Split" input: "x" input: "n" output: "a" output: "y" arg { name: "axis" i: 1 } })",
          fill("n", "GivenTensorIntFill", {"2", "4"})),
      (Shape{2, 4, 8, 10}));
  EXPECT_EQ(out(R"(op { type: "Tile" input: "x" input: "n" input: "axis" output: "y" })",
                fill("n", "GivenTensorIntFill", {"3"}) + fill("axis", "GivenTensorIntFill", {"1"})),
            (Shape{2, 18, 8, 10}));
  EXPECT_EQ(out(R"(op { type: "ResizeNearest" input: "x" input: "scales" output: "y" })",
                fill("scales", "GivenTensorFill", {"2.0", "1.5"})),
            (Shape{2, 6, 16, 15}));
  EXPECT_EQ(out(R"(op { type: "TopK" input: "x" input: "k" output: "y" output: "i" })",
                fill("k", "GivenTensorInt64Fill", {"4"})),
            (Shape{2, 6, 8, 4}));
}

TEST(ValuesTest, WhatStaysUnknownIsMissingAndNotAnError) {
  Net net = net_of(R"(
op { type: "Relu" input: "x" output: "r" }
op { type: "Reshape" input: "r" input: "target" output: "y" output: "old" }
op { type: "Relu" input: "y" output: "z" }
external_input: "x" external_input: "target")");
  set_input(net, "x", {2, 3});
  set_input(net, "target", {2});
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       AllOf(HasSubstr("the new shape must be known without running the network"),
                             HasSubstr("--allow-unknown"), HasSubstr("blob \"target\"")));
  const NetShapes shapes = infer_shapes(net, {.allow_unknown = true});
  EXPECT_TRUE(shapes.ops[0].known);
  EXPECT_FALSE(shapes.ops[1].known);
  EXPECT_FALSE(shapes.ops[2].known);
  EXPECT_EQ(shapes.blobs.at("r").shape, (Shape{2, 3}));
}

TEST(ValuesTest, ABlobThatIsWrittenAgainIsForgotten) {
  const NetShapes shapes = shapes_of(R"(
op { type: "Shape" input: "x" output: "s" }
op { type: "Relu" input: "x" output: "s" }
external_input: "x")",
                                     {{"x", {7, 9}}});
  EXPECT_FALSE(shapes.values.contains("s"));
}

constexpr const char* kBranches = R"(
op { type: "Relu" input: "x" output: "f" }
op { type: "IsEmpty" input: "f" output: "empty" }
op { type: "If" input: "empty"
  arg { name: "then_net" n { op { type: "Tanh" input: "f" output: "y" } } }
  arg { name: "else_net" n { op { type: "Conv" input: "f" input: "w" output: "c" arg { name: "kernel" i: 1 } }
                             op { type: "Sigmoid" input: "c" output: "y" } } } }
external_input: "x" external_input: "w" external_output: "y")";

TEST(BranchesTest, AKnownConditionChoosesOne) {
  Net net = net_of(kBranches);
  set_input(net, "x", {1, 8, 4, 4});
  net.parameters["w"] = {{5, 8, 1, 1}};
  inline_branches(net);
  ASSERT_EQ(net.ops.size(), 4);
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(shapes.blobs.at("y").shape, (Shape{1, 5, 4, 4}));
  EXPECT_EQ(count_macs(shapes).total(), 640);
  EXPECT_EQ(count_parameters(net, shapes).weights, 40);
}

TEST(BranchesTest, OfTwoBranchesTheOneWithOperatorsCosts) {
  std::string text = kBranches;
  text.replace(text.find("IsEmpty"), 7, "Unknown");
  Net both = net_of(text);
  set_input(both, "x", {1, 8, 4, 4});
  both.parameters["w"] = {{5, 8, 1, 1}};
  Net one = both;
  one.ops[2].args[0].nets[0].ops.clear();
  inline_branches(one);
  EXPECT_EQ(infer_shapes(one, {.allow_unknown = true}).blobs.at("y").shape, (Shape{1, 5, 4, 4}));
  // Which of two is taken nobody knows: their operators are missing, and no sum hides it.
  inline_branches(both);
  ASSERT_EQ(both.ops.size(), 3);
  const NetShapes shapes = infer_shapes(both, {.allow_unknown = true});
  EXPECT_FALSE(shapes.ops[2].known);
  EXPECT_FALSE(shapes.blobs.contains("y"));
  EXPECT_EQ(count_macs(shapes).total(), std::nullopt);
  EXPECT_FALSE(count_parameters(both, shapes).complete);
}

TEST(BranchesTest, SurviveTheWayThroughAFile) {
  const Net net = net_of(kBranches);
  EXPECT_EQ(parse_netdef_binary(netdef_binary(net), "model.pbtxt"), net);
  EXPECT_EQ(parse_netdef_text(netdef_text(net), "model.pbtxt"), net);
}

TEST(CountTest, NeverHidesWhatAnUnknownOperatorAdds) {
  Net net = net_of(R"(
op { type: "Conv" input: "x" input: "w" output: "a" arg { name: "kernel" i: 1 } }
op { type: "Custom" input: "a" input: "u" output: "b" }
op { type: "Conv" input: "b" input: "v" output: "c" arg { name: "kernel" i: 1 } }
external_input: "x" external_input: "w" external_input: "u" external_input: "v")");
  set_input(net, "x", {1, 4, 10, 10});
  net.parameters = {{"w", {{8, 4, 1, 1}}}, {"v", {{9, 8, 1, 1}}}};
  const NetShapes shapes = infer_shapes(net, {.allow_unknown = true});
  EXPECT_EQ(count_macs(shapes).macs, 3200);
  EXPECT_FALSE(count_macs(shapes).complete);
  EXPECT_EQ(shapes.ops[2].macs, std::nullopt);
  EXPECT_FALSE(count_parameters(net, shapes).complete);
  net.parameters["u"] = {{7}};
  const ParameterCount count = count_parameters(net, infer_shapes(net, {.allow_unknown = true}));
  EXPECT_TRUE(count.complete);
  EXPECT_EQ(count.weights, 32 + 72);
  EXPECT_EQ(count.others, 7);
}

TEST(PlaceholderTest, IsNoParameterAndNoShape) {
  Net net = net_of(R"(
op { type: "Conv" input: "x" input: "w" output: "y" arg { name: "kernel" i: 1 } } external_input: "x" external_input: "w")",
                   R"(op { type: "ConstantFill" output: "x" arg { name: "shape" ints: 1 } }
op { type: "GivenTensorFill" output: "w" arg { name: "shape" ints: 8 ints: 4 ints: 1 ints: 1 } })");
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("give it with --input x=1,3,224,224"));
  set_input(net, "x", {1, 4, 10, 10});
  EXPECT_EQ(count_parameters(net, infer_shapes(net)).others, 0);
}

TEST(PlaceholderTest, OfFullSizeItIsTheInputAndNoParameter) {
  const Net net = net_of(
      R"(
op { type: "Relu" input: "x" output: "y" } external_input: "x")",
      R"(op { type: "ConstantFill" output: "x" arg { name: "shape" ints: 1 ints: 4 ints: 10 ints: 10 } })");
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(shapes.blobs.at("y").shape, (Shape{1, 4, 10, 10}));
  EXPECT_EQ(count_parameters(net, shapes).weights, 0);
}

TEST(PlaceholderTest, AConstantOperandOfArithmeticIsAParameter) {
  const Net net = net_of(R"(
op { type: "Mul" input: "scale" input: "x" output: "y" } external_input: "x" external_input: "scale")",
                         R"(op { type: "GivenTensorFill" output: "scale" arg { name: "shape" ints: 1 } })");
  Net with_input = net;
  set_input(with_input, "x", {2, 3});
  EXPECT_EQ(count_parameters(with_input, infer_shapes(with_input)).others, 1);
}

TEST(ValuesTest, AStretchedSumHasAllItsValues) {
  // [[1, 2]] + [[1], [2]].
  const NetShapes shapes = shapes_of(fill("a", "GivenTensorIntFill", {"1", "2"}) + R"(
op { type: "ExpandDims" input: "a" output: "row" arg { name: "dims" ints: 0 } }
op { type: "ExpandDims" input: "a" output: "column" arg { name: "dims" ints: 1 } }
op { type: "Add" input: "row" input: "column" output: "sum" })",
                                     {});
  EXPECT_EQ(shapes.blobs.at("sum").shape, (Shape{2, 2}));
  EXPECT_EQ(shapes.values.at("sum"), (Values{2, 3, 3, 4}));
}

// As Caffe2 before it broadcast like numpy.
TEST(ValuesTest, ASecondOperandOfOneElementIsStretched) {
  const NetShapes shapes =
      shapes_of(fill("a", "GivenTensorIntFill", {"3", "5"}) + fill("two", "GivenTensorIntFill", {"2"}) + R"(
op { type: "Mul" input: "a" input: "two" output: "twice" arg { name: "broadcast" i: 1 } }
op { type: "Add" input: "a" input: "a" output: "sum" arg { name: "broadcast" i: 1 } })",
                {});
  EXPECT_EQ(shapes.values.at("twice"), (Values{6, 10}));
  EXPECT_EQ(shapes.values.at("sum"), (Values{6, 10}));
}

TEST(ValuesTest, AreRoundedAsTheirTypesRound) {
  const NetShapes shapes = shapes_of(R"(
op { type: "Shape" input: "x" output: "s" }
op { type: "Cast" input: "s" output: "f" arg { name: "to" i: 1 } }
op { type: "ConstantFill" output: "k" arg { name: "shape" ints: 1 } arg { name: "value" f: 0.7 } }
op { type: "Mul" input: "f" input: "k" output: "m" }
op { type: "Cast" input: "m" output: "i" arg { name: "to" i: 10 } }
op { type: "Cast" input: "s" output: "d" arg { name: "to" i: 13 } }
op { type: "Cast" input: "k" output: "kd" arg { name: "to" i: 13 } }
external_input: "x")",
                                     {{"x", {10, 30}}});
  EXPECT_EQ(shapes.values.at("i"), (Values{7, 21}));  // 0.7f * 10 is 7 in single precision
  EXPECT_EQ(shapes.values.at("d"), (Values{10, 30}));
  EXPECT_EQ(shapes.values.at("kd"), (Values{0.7F}));
}

TEST(ValuesTest, ScalarsAreStackedAndListsAreSplit) {
  const NetShapes shapes = shapes_of(R"(
op { type: "Shape" input: "x" output: "s" }
op { type: "ConstantFill" output: "zero" arg { name: "value" i: 0 } }
op { type: "Gather" input: "s" input: "zero" output: "batch" }
op { type: "Concat" input: "batch" input: "batch" output: "pair" output: "info" arg { name: "axis" i: 0 } arg { name: "add_axis" i: 1 } }
op { type: "Split" input: "s" output: "first" output: "rest" arg { name: "axis" i: 0 } arg { name: "split" ints: 1 ints: 2 } }
external_input: "x")",
                                     {{"x", {4, 5, 6}}});
  EXPECT_EQ(shapes.values.at("pair"), (Values{4, 4}));
  EXPECT_EQ(shapes.values.at("rest"), (Values{5, 6}));
}

TEST(ValuesTest, AShapeThatIsGivenStandsInForAValueThatIsUnknown) {
  Net net = net_of(R"(
op { type: "Reshape" input: "x" input: "target" output: "y" output: "old" }
op { type: "Relu" input: "y" output: "z" } external_input: "x" external_input: "target")");
  set_input(net, "x", {2, 3});
  set_input(net, "target", {2});
  set_input(net, "y", {1, 6});
  const NetShapes shapes = infer_shapes(net);
  EXPECT_TRUE(shapes.ops[0].known);
  EXPECT_EQ(shapes.blobs.at("z").shape, (Shape{1, 6}));
}

TEST(BranchesTest, AConditionCountsAsItIsWhenTheBranchRuns) {
  Net net = net_of(R"(
op { type: "ConstantFill" output: "c" arg { name: "shape" ints: 1 } arg { name: "value" i: 1 } }
op { type: "If" input: "c" arg { name: "then_net" n { op { type: "Relu" input: "x" output: "y" } } }
                           arg { name: "else_net" n { op { type: "Sigmoid" input: "x" output: "y" } } } }
op { type: "ConstantFill" output: "c" arg { name: "shape" ints: 1 } arg { name: "value" i: 0 } }
external_input: "x")");
  set_input(net, "x", {1, 8});
  inline_branches(net);
  EXPECT_EQ(net.ops[1].type, "Relu");
}

TEST(CountTest, AWeightWhoseShapeIsGivenIsAParameter) {
  Net net = net_of(R"(
op { type: "Conv" input: "x" input: "w" output: "y" arg { name: "kernel" i: 1 } } external_input: "x" external_input: "w")",
                   R"(op { type: "Load" output: "w" })");
  set_input(net, "x", {1, 2, 3, 3});
  set_input(net, "w", {4, 2, 1, 1});
  EXPECT_EQ(count_parameters(net, infer_shapes(net)).weights, 8);
}

TEST(CountTest, OperatorsThatMultiplyNothingHideNoMacs) {
  Net net = net_of(R"(
op { type: "Relu" input: "x" output: "f" }
op { type: "CollectRpnProposals" input: "f" input: "s" output: "rois" }
op { type: "RoIAlign" input: "f" input: "rois" output: "r" } external_input: "x" external_input: "s")");
  set_input(net, "x", {1, 8, 4, 4});
  set_input(net, "rois", {100, 5});
  const NetShapes shapes = infer_shapes(net, {.allow_unknown = true});
  EXPECT_EQ(shapes.blobs.at("r").shape, (Shape{100, 8, 1, 1}));
  EXPECT_EQ(count_macs(shapes).total(), 0);
}

TEST(PlaceholderTest, IsTheImageWhereverItStandsAmongTheInputs) {
  Net net = net_of(
      R"(
op { type: "NCHW2NHWC" input: "data" output: "n" } op { type: "Relu" input: "n" output: "y" }
op { type: "Mul" input: "y" input: "w" output: "z" } external_input: "w" external_input: "data")",
      R"(op { type: "ConstantFill" output: "data" arg { name: "shape" ints: 1 ints: 3 ints: 8 ints: 8 } }
op { type: "GivenTensorFill" output: "w" arg { name: "shape" ints: 3 } })");
  const ParameterCount count = count_parameters(net, infer_shapes(net));
  EXPECT_EQ(count.weights, 0);
  EXPECT_EQ(count.others, 3);
}

TEST(PlaceholderTest, OfAnyOddShapeAsksForTheInput) {
  for (const char* dims :
       {"ints: 1 ints: 1", "ints: 2", "ints: 1 ints: 1 ints: 1 ints: 1", "ints: 0 ints: 3 ints: 0 ints: 0"}) {
    const Net net = net_of(
        R"(
op { type: "Conv" input: "x" input: "w" output: "y" arg { name: "kernel" i: 3 } } external_input: "w" external_input: "x")",
        std::string("op { type: \"ConstantFill\" output: \"x\" arg { name: \"shape\" ") + dims + R"( } }
op { type: "GivenTensorFill" output: "w" arg { name: "shape" ints: 8 ints: 4 ints: 3 ints: 3 } })");
    LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("--input x=1,3,224,224"));
  }
}

}  // namespace
}  // namespace latgrad::net
