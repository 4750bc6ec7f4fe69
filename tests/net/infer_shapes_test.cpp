#include "latgrad/net/infer_shapes.h"

#include <gtest/gtest.h>

#include <utility>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"
#include "one_operator.h"

namespace latgrad::net {
namespace {

using test::i;
using test::one_operator;
using ::testing::AllOf;
using ::testing::HasSubstr;

// data [1, 3, 8, 8] -> Conv to 4 channels -> Relu in place -> FC to 10.
Net small_net() {
  Net net = parse_netdef_text(R"(
op { type: "Conv" input: "data" input: "w" input: "b" output: "y" arg { name: "kernel" i: 3 } }
op { type: "Relu" input: "y" output: "y" }
op { type: "FC" input: "y" input: "fc_w" input: "fc_b" output: "out" }
external_input: "data" external_input: "w" external_input: "b" external_input: "fc_w" external_input: "fc_b"
external_input: "data"
external_output: "out")",
                              "model.pb");
  net.inputs["data"] = {{1, 3, 8, 8}, DataType::kFloat};
  net.parameters["w"] = {{4, 3, 3, 3}, DataType::kFloat};
  net.parameters["b"] = {{4}, DataType::kFloat};
  net.parameters["fc_w"] = {{10, 144}, DataType::kFloat};
  net.parameters["fc_b"] = {{10}, DataType::kFloat};
  return net;
}

TEST(InferShapesTest, FollowsTheOperatorsInOrder) {
  const NetShapes shapes = infer_shapes(small_net());
  ASSERT_EQ(shapes.ops.size(), 3);
  EXPECT_EQ(shapes.ops[0].inputs[1].shape, (Shape{4, 3, 3, 3}));
  EXPECT_EQ(shapes.ops[0].outputs[0].shape, (Shape{1, 4, 6, 6}));
  EXPECT_EQ(shapes.ops[2].outputs[0].shape, (Shape{1, 10}));
  EXPECT_EQ(shapes.blobs.at("out").shape, (Shape{1, 10}));
  EXPECT_EQ(shapes.blobs.at("data").shape, (Shape{1, 3, 8, 8}));
  EXPECT_TRUE(shapes.ops[0].known);
}

TEST(InferShapesTest, FollowsABlobThatChangesItsShapeInPlace) {
  Net net = parse_netdef_text(R"(
op { type: "NCHW2NHWC" input: "x" output: "x" }
op { type: "FlattenToVec" input: "x" output: "x" }
external_input: "x")",
                              "");
  net.inputs["x"] = {{1, 2, 3, 4}, DataType::kFloat};
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(shapes.ops[0].inputs[0].shape, (Shape{1, 2, 3, 4}));
  EXPECT_EQ(shapes.ops[1].inputs[0].shape, (Shape{1, 3, 4, 2}));
  EXPECT_EQ(shapes.blobs.at("x").shape, (Shape{24}));
}

TEST(InferShapesTest, NamesFileOperatorAndBlobOfADanglingInput) {
  Net net = small_net();
  net.ops[1].inputs = {"nowhere"};
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       AllOf(HasSubstr("got one that nothing writes"),
                             HasSubstr("(model.pb, op 1 \"Relu\", blob \"nowhere\")")));
}

TEST(InferShapesTest, TellsACycleFromADanglingInput) {
  Net net = small_net();
  net.ops[0].inputs[0] = "out";
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       AllOf(HasSubstr("only op 2 \"FC\" writes: the network is cyclic or out of order"),
                             HasSubstr("(model.pb, op 0 \"Conv\", blob \"out\")")));
  Net self = small_net();
  self.ops[1] = parse_netdef_text(R"(op { type: "Relu" input: "z" output: "z" })", "").ops[0];
  LATGRAD_EXPECT_ERROR(infer_shapes(self), NetError, HasSubstr("only op 1 \"Relu\" writes"));
}

TEST(InferShapesTest, NamesAnExternalOutputThatNothingWrites) {
  Net net = small_net();
  net.external_outputs = {"softmax"};
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       AllOf(HasSubstr("an external output must be written"), HasSubstr("blob \"softmax\"")));
}

TEST(InferShapesTest, SaysHowToGiveADataInput) {
  Net net = small_net();
  net.inputs.clear();
  LATGRAD_EXPECT_ERROR(
      infer_shapes(net), NetError,
      AllOf(HasSubstr("--input data=1,3,224,224"), HasSubstr("(model.pb, op 0 \"Conv\", blob \"data\")")));
}

TEST(InferShapesTest, SaysHowToGiveADataInputThatNoListNames) {
  Net net = small_net();
  net.inputs.clear();
  net.external_inputs.clear();
  const auto expect_advice = [&] {
    LATGRAD_EXPECT_ERROR(
        infer_shapes(net), NetError,
        AllOf(HasSubstr("--input data=1,3,224,224"), HasSubstr("(model.pb, op 0 \"Conv\", blob \"data\")")));
  };
  expect_advice();
  const auto parameters = std::exchange(net.parameters, {});
  expect_advice();
  net.inputs["data"] = {{1, 3, 8, 8}, DataType::kFloat};
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("give the init net with --init"));
  net.parameters = parameters;
  EXPECT_EQ(infer_shapes(net).blobs.at("out").shape, (Shape{1, 10}));
  net.ops[2].inputs[1] = "nowhere";
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("nothing writes"));
}

TEST(InferShapesTest, RefusesArgumentsThatContradictEachOther) {
  Net net = small_net();
  net.ops[0].args.push_back(i("pad", 0));
  net.ops[0].args.push_back(i("kernel", 3));
  EXPECT_NO_THROW(infer_shapes(net));
  net.ops[0].args.push_back(i("kernel", 5));
  LATGRAD_EXPECT_ERROR(
      infer_shapes(net), NetError,
      HasSubstr("an argument must be given once, got different values of kernel (model.pb, op 0 \"Conv\", "
                "blob \"y\", field \"kernel\")"));
}

TEST(InferShapesTest, SaysHowToGiveAParameter) {
  Net net = small_net();
  net.parameters.erase("fc_w");
  net.parameters.erase("fc_b");
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       AllOf(HasSubstr("give the init net with --init"), HasSubstr("blob \"fc_w\"")));
}

TEST(InferShapesTest, DeducesWhatTheNetworkDetermines) {
  const Shape kWeight = {4, 3, 3, 3};
  Net no_bias = small_net();
  no_bias.parameters.erase("b");
  no_bias.parameters.erase("fc_b");
  EXPECT_EQ(infer_shapes(no_bias).ops[0].inputs[2].shape, Shape{4});
  EXPECT_EQ(infer_shapes(no_bias).ops[2].inputs[2].shape, Shape{10});
  Net no_weight = small_net();
  no_weight.parameters.erase("w");
  no_weight.parameters.erase("fc_w");
  EXPECT_EQ(infer_shapes(no_weight).ops[0].inputs[1].shape, kWeight);
  EXPECT_EQ(infer_shapes(no_weight).ops[2].inputs[1].shape, (Shape{10, 144}));
  EXPECT_EQ(infer_shapes(no_weight).blobs.at("w").shape, kWeight);
}

TEST(InferShapesTest, DeducesTheTypesOfQuantisedParameters) {
  Net net = parse_netdef_text(R"(
op { type: "Int8Conv" input: "x" input: "w" input: "b" output: "y" arg { name: "kernel" i: 1 } }
external_input: "x" external_input: "w" external_input: "b")",
                              "");
  net.inputs["x"] = {{1, 4, 4, 8}, DataType::kUint8};
  net.parameters["w"] = {{2, 1, 1, 8}, DataType::kUint8};
  EXPECT_EQ(infer_shapes(net).ops[0].inputs[2], (TensorInfo{{2}, DataType::kInt32}));
  net.parameters = {{"b", {{2}, DataType::kInt32}}};
  EXPECT_EQ(infer_shapes(net).ops[0].inputs[1], (TensorInfo{{2, 1, 1, 8}, DataType::kUint8}));
}

TEST(InferShapesTest, DoesNotGuessADepthMultiplier) {
  Net net = one_operator("Conv", test::infos("Conv", {{1, 8, 4, 4}, {8, 1, 1, 1}}),
                         {i("kernel", 1), i("group", 8)});
  EXPECT_NO_THROW(infer_shapes(net));
  net.parameters.clear();
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("blob \"in1\""));
}

TEST(InferShapesTest, NamesAnOperatorOfUnknownType) {
  Net net = small_net();
  net.ops[1].type = "Frobnicate";
  LATGRAD_EXPECT_ERROR(
      infer_shapes(net), NetError,
      AllOf(HasSubstr("got \"Frobnicate\""), HasSubstr("(model.pb, op 1 \"Frobnicate\", blob \"y\")")));
}

TEST(InferShapesTest, PassesOverUnknownTypesOnRequest) {
  Net net = small_net();
  net.ops[1].type = "Frobnicate";
  net.ops[1].outputs = {"z"};
  net.ops[2].inputs[0] = "z";
  const NetShapes shapes = infer_shapes(net, {.allow_unknown = true});
  EXPECT_TRUE(shapes.ops[0].known);
  EXPECT_FALSE(shapes.ops[1].known);
  EXPECT_EQ(shapes.ops[1].inputs[0].shape, (Shape{1, 4, 6, 6}));
  EXPECT_FALSE(shapes.ops[2].known) << "it reads what the unknown operator wrote";
  EXPECT_EQ(shapes.ops[2].outputs.size(), 1);
  EXPECT_FALSE(shapes.blobs.contains("z"));
  EXPECT_FALSE(shapes.blobs.contains("out"));
  EXPECT_EQ(count_parameters(net, shapes).weights, 4 * 27 + 1440);
}

TEST(InferShapesTest, ForgetsABlobThatAnUnknownTypeOverwrites) {
  Net net = small_net();
  net.ops[1].type = "Frobnicate";
  EXPECT_FALSE(infer_shapes(net, {.allow_unknown = true}).blobs.contains("y"));
}

TEST(InferShapesTest, StillFindsADanglingInputBesideUnknownTypes) {
  Net net = small_net();
  net.ops[1].type = "Frobnicate";
  net.ops[1].inputs = {"nowhere"};
  LATGRAD_EXPECT_ERROR(infer_shapes(net, {.allow_unknown = true}), NetError, HasSubstr("blob \"nowhere\""));
}

TEST(InferShapesTest, ChecksTheNumberOfInputsAndOutputs) {
  LATGRAD_EXPECT_ERROR(test::run("Relu", {{1}, {1}}), NetError,
                       HasSubstr("Relu must have 1 input, got 2 (model.pb, op 0 \"Relu\", blob \"out0\")"));
  LATGRAD_EXPECT_ERROR(test::run("Conv", {{1, 1, 1, 1}}), NetError,
                       HasSubstr("Conv must have 2 to 3 inputs, got 1"));
  LATGRAD_EXPECT_ERROR(test::run("MaxPoolWithIndex", {{1}}), NetError,
                       HasSubstr("MaxPoolWithIndex must have 2 outputs, got 1"));
  LATGRAD_EXPECT_ERROR(test::run("Sum", {}), NetError, HasSubstr("Sum must have at least 1 input, got 0"));
  LATGRAD_EXPECT_ERROR(test::run("Relu", {{1}}, {}, 0), NetError,
                       HasSubstr("Relu must have 1 output, got 0 (model.pb, op 0 \"Relu\", blob \"in0\")"));
}

TEST(InferShapesTest, BoundsDimensionsAndProducts) {
  const int64_t kLarge = INT32_MAX;
  LATGRAD_EXPECT_ERROR(test::run("Relu", {{1, int64_t{1} << 31}}), NetError,
                       HasSubstr("a dimension of a data input must be from 0 to 2^31 - 1"));
  LATGRAD_EXPECT_ERROR(test::run("Relu", {{1, -3}}), NetError,
                       HasSubstr("a dimension of a data input must be"));
  LATGRAD_EXPECT_ERROR(test::run("Relu", {{1, 0}}), NetError,
                       HasSubstr("a dimension of a data input must be positive, got [1, 0]"));
  LATGRAD_EXPECT_ERROR(test::run("Relu", {{kLarge, kLarge, kLarge}}), NetError,
                       HasSubstr("fewer than 2^63 elements"));
  LATGRAD_EXPECT_ERROR(test::run("Flatten", {{1, kLarge, kLarge}}), NetError,
                       HasSubstr("a dimension of an output must be"));
  // Both tensors are small enough, their product is not.
  LATGRAD_EXPECT_ERROR(test::run("FC", {{kLarge, 1 << 30}, {8, 1 << 30}, {8}}), NetError,
                       HasSubstr("sizes must stay below 2^63"));
}

TEST(CountTest, CountsConvolutionsAndFullyConnectedLayers) {
  const Net net = small_net();
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(shapes.ops[0].macs, 4 * 6 * 6 * 27);
  EXPECT_EQ(shapes.ops[1].macs, 0);
  EXPECT_EQ(shapes.ops[2].macs, 1440);
  EXPECT_EQ(count_macs(shapes).total(), 4 * 6 * 6 * 27 + 1440);
  const ParameterCount count = count_parameters(net, shapes);
  EXPECT_EQ(count.weights, 4 * 27 + 1440);
  EXPECT_EQ(count.others, 14);
}

TEST(CountTest, CountsTheBatch) {
  Net net = small_net();
  net.inputs["data"].shape[0] = 3;
  EXPECT_EQ(count_macs(infer_shapes(net)).total(), 3 * (4 * 6 * 6 * 27 + 1440));
}

TEST(CountTest, CountsASharedParameterOnce) {
  Net net = parse_netdef_text(R"(
op { type: "FC" input: "x" input: "w" input: "b" output: "y" }
op { type: "FC" input: "y" input: "w" input: "b" output: "z" }
external_input: "x" external_input: "w" external_input: "b")",
                              "");
  net.inputs["x"] = {{1, 5}, DataType::kFloat};
  net.parameters["w"] = {{5, 5}, DataType::kFloat};
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(count_parameters(net, shapes).weights, 25);
  EXPECT_EQ(count_parameters(net, shapes).others, 5);
  EXPECT_EQ(count_macs(shapes).total(), 50);
}

TEST(CountTest, CountsParametersThatTheNetworkFillsItself) {
  Net net = parse_netdef_text(R"(
op { type: "GivenTensorFill" output: "w" arg { name: "shape" ints: 5 ints: 5 } }
op { type: "FC" input: "x" input: "w" input: "b" output: "y" }
external_input: "x" external_input: "b")",
                              "");
  net.inputs["x"] = {{1, 5}, DataType::kFloat};
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(shapes.ops[1].outputs[0].shape, (Shape{1, 5}));
  EXPECT_EQ(count_parameters(net, shapes).weights, 25);
}

TEST(CountTest, RefusesSumsBeyond64Bits) {
  NetShapes shapes;
  shapes.ops.resize(2);
  for (OpShapes& op : shapes.ops) op.macs = INT64_MAX;
  LATGRAD_EXPECT_ERROR(count_macs(shapes), NetError, HasSubstr("must stay below 2^63"));
}

}  // namespace
}  // namespace latgrad::net
