#include "latgrad/net/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/read_net.h"
#include "onnx_model.h"
#include "onnx_wire.h"
#include "ops/lowering_rows.h"
#include "ops/writing_rows.h"
#include "shared_data.h"

namespace latgrad::net {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace test;

std::vector<std::string> types(const Net& net) {
  std::vector<std::string> types;
  for (const Operator& op : net.ops) types.push_back(op.type);
  return types;
}

// The shape of `y` of a graph that reads `x`.
Shape shape_of(const Net& net, const std::string& blob = "y") {
  const NetShapes shapes = infer_shapes(net);
  if (const auto it = shapes.blobs.find(blob); it != shapes.blobs.end()) return it->second.shape;
  return net.constants.at(blob).shape;
}

const char* const kRelu = R"(node { op_type: "Relu" input: "x" output: "y" })";

TEST(OnnxTest, AConvolutionIsCaffe2s) {
  const Net net = read(model(input("x", {1, 3, 32, 32}) + weight("w", {8, 3, 3, 3}) + weight("b", {8}) +
                             node("Conv", {"x", "w", "b"}, {"y"},
                                  attribute("kernel_shape", {3, 3}) + attribute("pads", {1, 1, 1, 1}) +
                                      attribute("strides", {2, 2}) + attribute("dilations", {1, 1})) +
                             output("y")));
  ASSERT_EQ(types(net), std::vector<std::string>{"Conv"});
  EXPECT_EQ(net.ops[0].inputs, (std::vector<std::string>{"x", "w", "b"}));
  EXPECT_EQ(shape_of(net), (Shape{1, 8, 16, 16}));
  EXPECT_EQ(net.external_inputs, std::vector<std::string>{"x"});
  EXPECT_EQ(net.external_outputs, std::vector<std::string>{"y"});
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(count_macs(shapes).macs, 8 * 16 * 16 * 27);
  EXPECT_EQ(count_parameters(net, shapes).weights, 8 * 27);
  EXPECT_EQ(count_parameters(net, shapes).others, 8);
}

// Sizes by hand: input 7, kernel 3, stride 2.
TEST(OnnxTest, PadsOfEveryKindAreMadeExplicit) {
  const auto pooled = [](const std::string& attributes) {
    return read(model(input("x", {1, 1, 8, 7}) +
                      node("MaxPool", {"x"}, {"y"},
                           attribute("kernel_shape", {3, 3}) + attribute("strides", {2, 2}) + attributes) +
                      output("y")));
  };
  EXPECT_EQ(shape_of(pooled("")), (Shape{1, 1, 3, 3}));
  EXPECT_EQ(shape_of(pooled(text_attribute("auto_pad", "VALID"))), (Shape{1, 1, 3, 3}));
  EXPECT_EQ(shape_of(pooled(text_attribute("auto_pad", "SAME_UPPER"))), (Shape{1, 1, 4, 4}));
  EXPECT_EQ(shape_of(pooled(attribute("ceil_mode", 1))), (Shape{1, 1, 4, 3}));
  // The head of an odd pad.
  const auto pads = [&](const std::string& kind) {
    return pooled(text_attribute("auto_pad", kind)).ops[0].find_arg("pads")->ints;
  };
  EXPECT_EQ(pads("SAME_UPPER"), (std::vector<int64_t>{0, 1, 1, 1}));
  EXPECT_EQ(pads("SAME_LOWER"), (std::vector<int64_t>{1, 1, 0, 1}));
  // A window that would begin behind the image and its head pad is none.
  EXPECT_EQ(shape_of(read(model(input("x", {1, 1, 4, 4}) +
                                node("MaxPool", {"x"}, {"y"},
                                     attribute("kernel_shape", {1, 1}) + attribute("strides", {2, 2}) +
                                         attribute("ceil_mode", 1)) +
                                output("y")))),
            (Shape{1, 1, 2, 2}));
}

TEST(OnnxTest, WhatShapesAndConstantsTellIsComputed) {
  // x.reshape(x.shape[0], -1), as exporters write it.
  const Net net = read(model(input("x", {2, 3, 4}) + int64s("zero", {0}) + int64s("rest", {-1}) +
                             node("Shape", {"x"}, {"dims"}) +
                             node("Gather", {"dims", "zero"}, {"batch"}, attribute("axis", 0)) +
                             node("Concat", {"batch", "rest"}, {"wanted"}, attribute("axis", 0)) +
                             node("Reshape", {"x", "wanted"}, {"y"}) + output("y")));
  ASSERT_EQ(types(net), std::vector<std::string>{"Reshape"});
  EXPECT_EQ(shape_of(net), (Shape{2, 12}));
  EXPECT_EQ(net.constants.at("wanted").shape, Shape{2});
  EXPECT_TRUE(net.parameters.empty());
  EXPECT_TRUE(unread_parameters(net).empty());
}

TEST(OnnxTest, WhatIsComputedOfParametersIsAParameter) {
  const Net net = read(model(input("x", {1, 4}) + weight("w", {4, 4}) +
                             node("Transpose", {"w"}, {"t"}, attribute("perm", {1, 0})) +
                             node("MatMul", {"x", "t"}, {"y"}) + output("y")));
  EXPECT_EQ(types(net), std::vector<std::string>{"MatMul"});
  EXPECT_EQ(net.parameters.size(), 1);
  EXPECT_EQ(net.parameters.at("t").shape, (Shape{4, 4}));
  EXPECT_EQ(count_parameters(net, infer_shapes(net)).weights, 16);
}

// A position encoding is a convolution of constants; engines may compute it once, the network has it.
TEST(OnnxTest, WhatMultipliesConstantsIsAnOperator) {
  const Net net = read(model(input("x", {1, 4, 7, 7}) + weight("grid", {1, 2, 7, 7}) +
                             weight("w", {4, 2, 1, 1}) + node("Sin", {"grid"}, {"waves"}) +
                             node("Conv", {"waves", "w"}, {"places"}) + node("Add", {"x", "places"}, {"y"}) +
                             output("y")));
  EXPECT_EQ(types(net), (std::vector<std::string>{"Conv", "Add"}));
  const NetShapes shapes = infer_shapes(net);
  EXPECT_EQ(count_macs(shapes).total(), 4 * 2 * 49);
  const ParameterCount params = count_parameters(net, shapes);
  EXPECT_EQ(params.weights + params.others, 2 * 49 + 4 * 2);
}

TEST(OnnxTest, IdentityIsASecondName) {
  const Net net = read(model(input("x", {1, 4}) + node("Identity", {"x"}, {"z"}) +
                             node("Relu", {"z"}, {"r"}) + node("Dropout", {"r"}, {"y"}) + output("y")));
  ASSERT_EQ(types(net), std::vector<std::string>{"Relu"});
  EXPECT_EQ(net.ops[0].inputs[0], "x");
  EXPECT_EQ(net.external_outputs, std::vector<std::string>{"r"});
  EXPECT_EQ(net.constants.at("z").shape, (Shape{1, 4}));
  EXPECT_EQ(net.constants.at("y").shape, (Shape{1, 4}));
}

TEST(OnnxTest, DynamicDimensionsNeedAShape) {
  const std::string dynamic = model(
      R"(input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_param: "batch" } dim { dim_value: 3 } } } } })" +
      std::string(kRelu) + output("y"));
  LATGRAD_EXPECT_ERROR(read(dynamic), NetError,
                       AllOf(HasSubstr("this one is [batch, 3]: give it with --input x=1,3,224,224"),
                             HasSubstr("model.onnx")));
  EXPECT_EQ(shape_of(read(dynamic, {parse_input_shape("x=5,3")})), (Shape{5, 3}));
  // Shapes that are given also override those of the file.
  EXPECT_EQ(shape_of(read(model(input("x", {1, 3}) + std::string(kRelu) + output("y")),
                          {parse_input_shape("x=9,3")})),
            (Shape{9, 3}));
}

TEST(OnnxTest, FunctionsAreInlined) {
  const std::string function = R"(functions {
      name: "Scaled" domain: "mine" input: "a" output: "b" attribute: "slope" opset_import { version: 20 }
      node { op_type: "LeakyRelu" input: "a" output: "c" attribute { name: "alpha" ref_attr_name: "slope" type: 1 } }
      node { op_type: "Relu" input: "c" output: "b" }
    } opset_import { domain: "mine" version: 1 })";
  const Net net =
      read(model(input("x", {1, 4}) +
                     node("Scaled", {"x"}, {"y"},
                          R"(name: "call" domain: "mine" attribute { name: "slope" f: 0.5 type: 1 })") +
                     node("Scaled", {"y"}, {"z"}, R"(domain: "mine")") + output("z"),
                 20, function));
  ASSERT_EQ(types(net), (std::vector<std::string>{"LeakyRelu", "Relu", "LeakyRelu", "Relu"}));
  EXPECT_EQ(net.ops[0].find_arg("alpha")->f, 0.5F);
  EXPECT_EQ(net.ops[2].find_arg("alpha"), nullptr);  // left out: the operator's own default
  EXPECT_EQ(net.ops[1].outputs[0], "y");             // as the call names it
  EXPECT_NE(net.ops[0].outputs[0], net.ops[2].outputs[0]);
  EXPECT_EQ(shape_of(net, "z"), (Shape{1, 4}));
}

TEST(OnnxTest, FunctionsThatCallThemselvesAreAnError) {
  const std::string function = R"(functions { name: "F" domain: "mine" input: "a" output: "b"
      node { op_type: "F" domain: "mine" input: "a" output: "b" } })";
  LATGRAD_EXPECT_ERROR(
      read(model(input("x", {1}) + node("F", {"x"}, {"y"}, R"(domain: "mine")") + output("y"), 20, function)),
      NetError, HasSubstr("functions and branches may be nested 64 deep"));
}

TEST(OnnxTest, ABranchWithAKnownConditionIsInlined) {
  const auto branch = [](const std::string& name, const std::string& type) {
    return "attribute { name: \"" + name + "\" type: 5 g { node { op_type: \"" + type +
           "\" input: \"x\" output: \"inner\" } output { name: \"inner\" } } }";
  };
  const auto graph = [&](int64_t rank) {
    return model(input("x", {1, 4}) + int64s("rank", {rank}) + node("Shape", {"x"}, {"dims"}) +
                 node("Size", {"dims"}, {"has"}) + node("Equal", {"has", "rank"}, {"is"}) +
                 node("If", {"is"}, {"y"}, branch("then_branch", "Relu") + branch("else_branch", "Sigmoid")) +
                 output("y"));
  };
  EXPECT_EQ(types(read(graph(2))), std::vector<std::string>{"Relu"});
  EXPECT_EQ(types(read(graph(3))), std::vector<std::string>{"Sigmoid"});
  EXPECT_EQ(shape_of(read(graph(3))), (Shape{1, 4}));
  LATGRAD_EXPECT_ERROR(
      read(model(input("x", {1}) + input("c", {}, 9) +
                 node("If", {"c"}, {"y"}, branch("then_branch", "Relu") + branch("else_branch", "Sigmoid")) +
                 output("y"))),
      NetError, HasSubstr("the condition of an If must be known without running the network"));
}

TEST(OnnxTest, GemmWithParametersIsAFullyConnectedLayer) {
  const auto gemm = [](const Shape& b, const Shape& c, const std::string& attributes) {
    return read(model(input("x", {2, 4}) + weight("b", b) + weight("c", c) +
                      node("Gemm", {"x", "b", "c"}, {"y"}, attributes) + output("y")));
  };
  EXPECT_EQ(types(gemm({8, 4}, {8}, attribute("transB", 1))), std::vector<std::string>{"FC"});
  EXPECT_EQ(types(gemm({4, 8}, {1, 8}, "")), std::vector<std::string>{"FCTransposed"});
  EXPECT_EQ(shape_of(gemm({4, 8}, {1, 8}, "")), (Shape{2, 8}));
  const std::string half = R"(attribute { name: "alpha" f: 0.5 type: 1 })";
  EXPECT_EQ(types(gemm({4, 8}, {8}, half)), (std::vector<std::string>{"MatMul", "Scale", "Add"}));
  EXPECT_EQ(shape_of(gemm({4, 8}, {8}, half)), (Shape{2, 8}));
}

// Before opset 13 all dimensions from the axis on, as Caffe2; since then one.
TEST(OnnxTest, SoftmaxIsThatOfItsOpset) {
  const auto softmax = [](int opset, int64_t axis) {
    return read(model(
        input("x", {2, 3, 4}) + node("Softmax", {"x"}, {"y"}, attribute("axis", axis)) + output("y"), opset));
  };
  EXPECT_EQ(types(softmax(11, 1)), std::vector<std::string>{"Softmax"});
  EXPECT_EQ(types(softmax(13, 1)), (std::vector<std::string>{"Transpose", "Softmax", "Transpose"}));
  EXPECT_EQ(types(softmax(13, -1)), std::vector<std::string>{"Softmax"});
  EXPECT_EQ(softmax(13, -1).ops[0].find_arg("axis")->i, 2);
  EXPECT_EQ(shape_of(softmax(13, 1)), (Shape{2, 3, 4}));
}

TEST(OnnxTest, ASliceMayHaveStepsAndGoBackwards) {
  const auto slice = [](const std::vector<int64_t>& starts, const std::vector<int64_t>& ends,
                        const std::vector<int64_t>& axes, const std::vector<int64_t>& steps) {
    return shape_of(
        read(model(input("x", {10, 7}) + int64s("s", starts) + int64s("e", ends) + int64s("a", axes) +
                   int64s("p", steps) + node("Slice", {"x", "s", "e", "a", "p"}, {"y"}) + output("y"))));
  };
  EXPECT_EQ(slice({2}, {INT64_MAX}, {0}, {1}), (Shape{8, 7}));
  EXPECT_EQ(slice({1, -3}, {-1, 7}, {0, 1}, {3, 1}), (Shape{3, 3}));
  EXPECT_EQ(slice({-1}, {INT64_MIN}, {0}, {-1}), (Shape{10, 7}));
  EXPECT_EQ(slice({8}, {2}, {0}, {-2}), (Shape{3, 7}));
  EXPECT_EQ(slice({5}, {5}, {1}, {1}), (Shape{10, 0}));
}

TEST(OnnxTest, WeightsAreNotRead) {
  // 400 kilobytes inside the file, and a file that is never opened.
  const std::string bytes = model(
      input("x", {1, 1000}) + "initializer { name: \"w\" data_type: 1 dims: 1000 dims: 100 raw_data: \"" +
      std::string(400000, 'w') + "\" }" + weight("v", {100, 10}) + node("MatMul", {"x", "w"}, {"z"}) +
      node("MatMul", {"z", "v"}, {"y"}) + output("y"));
  const Net net = read(bytes);
  EXPECT_EQ(shape_of(net), (Shape{1, 10}));
  EXPECT_TRUE(net.parameter_values.empty());
  // Nor are they parsed.
  onnx::ModelProto parsed;
  parse_onnx(bytes, "model.onnx", parsed);
  EXPECT_LT(parsed.ByteSizeLong(), 2000);
  EXPECT_FALSE(parsed.graph().initializer(0).has_raw_data());
}

TEST(OnnxTest, ElementsOfSmallParametersAreKnown) {
  const Net net =
      read(model(input("x", {1, 2}) + "initializer { name: \"c\" data_type: 1 dims: 2 float_data: [3, 5] }" +
                 node("Add", {"x", "c"}, {"y"}) + output("y")));
  EXPECT_EQ(net.parameter_values.at("c"), (Values{3, 5}));
}

// Exporters write kilobytes of notes about each node.
TEST(OnnxTest, NotesAreNotParsed) {
  onnx::ModelProto noted;
  ASSERT_TRUE(noted.ParseFromString(model(input("x", {1}) + std::string(kRelu) + output("y"))));
  onnx::NodeProto& relu = *noted.mutable_graph()->mutable_node(0);
  constexpr int kMetadataProps = 9;
  relu.GetReflection()->MutableUnknownFields(&relu)->AddLengthDelimited(kMetadataProps,
                                                                        std::string(3000, 'n'));
  onnx::ModelProto parsed;
  parse_onnx(noted.SerializeAsString(), "model.onnx", parsed);
  EXPECT_LT(parsed.ByteSizeLong(), 200);
}

TEST(OnnxTest, AnUnknownOperatorKeepsItsName) {
  const std::string bytes =
      model(input("x", {1, 4}) + node("FusedThing", {"x"}, {"z"}, R"(domain: "com.vendor")") +
            node("Relu", {"z"}, {"y"}) + output("y"));
  const Net net = read(bytes);
  ASSERT_EQ(types(net), (std::vector<std::string>{"com.vendor.FusedThing", "Relu"}));
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("got \"com.vendor.FusedThing\""));
  EXPECT_FALSE(infer_shapes(net, {.allow_unknown = true}).ops[1].known);
  // What it writes may be given.
  const Net told = read(bytes, {parse_input_shape("z=1,9")});
  EXPECT_EQ(infer_shapes(told, {.allow_unknown = true}).ops[1].outputs[0].shape, (Shape{1, 9}));
}

// F.pad as the exporter of TorchScript writes it: the pads are turned around as a matrix.
TEST(OnnxTest, PadsThatAreComputedAsAMatrix) {
  const Net net = read(model(
      input("x", {1, 3, 8, 6}) + int64s("given", {1, 2, 3, 4}) + int64s("more", {4}) +
          int64s("pairs", {-1, 2}) + int64s("last", {-1}) + int64s("first", {INT64_MIN + 1}) +
          int64s("axis", {0}) + int64s("flat", {-1}) +
          node("ConstantOfShape", {"more"}, {"zeros"},
               R"(attribute { name: "value" type: 4 t { dims: 1 data_type: 7 int64_data: 0 } })") +
          node("Concat", {"given", "zeros"}, {"all"}, attribute("axis", 0)) +
          node("Reshape", {"all", "pairs"}, {"matrix"}) +
          node("Slice", {"matrix", "last", "first", "axis", "last"}, {"turned"}) +
          node("Transpose", {"turned"}, {"columns"}, attribute("perm", {1, 0})) +
          node("Reshape", {"columns", "flat"}, {"pads"}) + node("Pad", {"x", "pads"}, {"y"}) + output("y"),
      13));
  ASSERT_EQ(types(net), std::vector<std::string>{"PadImage"});
  EXPECT_EQ(net.ops[0].find_arg("pads")->ints, (std::vector<int64_t>{3, 1, 4, 2}));
  EXPECT_EQ(shape_of(net), (Shape{1, 3, 15, 9}));
}

// Gather and Concat of matrices, and stretched arithmetic.
TEST(OnnxTest, ValuesAreFollowedInEveryRank) {
  const Net net = read(model(
      input("x", {24}) + "initializer { name: \"m\" data_type: 7 dims: 2 dims: 2 int64_data: [1, 2, 3, 4] }" +
      int64s("column", {1}) + int64s("one", {1}) +
      node("Gather", {"m", "column"}, {"c"}, attribute("axis", 1)) +
      node("Concat", {"c", "c"}, {"cc"}, attribute("axis", 1)) + node("Mul", {"cc", "one"}, {"d"}) +
      node("ReduceMax", {"d"}, {"most"}, attribute("keepdims", 0)) +
      node("Unsqueeze", {"most", "zero"}, {"dim"}) + int64s("zero", {0}) + int64s("rest", {-1}) +
      node("Concat", {"dim", "rest"}, {"shape"}, attribute("axis", 0)) +
      node("Reshape", {"x", "shape"}, {"y"}) + output("y")));
  EXPECT_EQ(shape_of(net), (Shape{4, 6}));
}

TEST(OnnxTest, ACastToBoolIsTrueOrFalse) {
  const auto branch = [](const std::string& name, const std::string& type) {
    return "attribute { name: \"" + name + "\" type: 5 g { node { op_type: \"" + type +
           "\" input: \"x\" output: \"inner\" } output { name: \"inner\" } } }";
  };
  const Net net =
      read(model(input("x", {1}) + "initializer { name: \"half\" data_type: 1 float_data: 0.5 }" +
                 node("Cast", {"half"}, {"is"}, attribute("to", 9)) +
                 node("If", {"is"}, {"y"}, branch("then_branch", "Relu") + branch("else_branch", "Tanh")) +
                 output("y")));
  EXPECT_EQ(types(net), std::vector<std::string>{"Relu"});
}

TEST(OnnxTest, HalvesAreRead) {
  // 6.0 as bits.
  const Net net =
      read(model(input("x", {1, 4}, 10) + "initializer { name: \"six\" data_type: 10 int32_data: 17920 }" +
                 node("Clip", {"x", "", "six"}, {"y"}) + output("y")));
  ASSERT_EQ(types(net), std::vector<std::string>{"Clip"});
  EXPECT_EQ(net.ops[0].find_arg("max")->f, 6.0F);
}

TEST(OnnxTest, SizesAreRoundedInSinglePrecision) {
  const Net net = read(model(input("x", {1, 3, 9, 10}) +
                             "initializer { name: \"f\" data_type: 1 dims: 4 float_data: [1, 1, 0.7, 0.7] }" +
                             node("Resize", {"x", "", "f"}, {"y"}) + output("y")));
  EXPECT_EQ(shape_of(net), (Shape{1, 3, 6, 7}));
}

TEST(OnnxTest, AZeroMayBeADimension) {
  const Net net =
      read(model(input("x", {2, 3, 4}) + int64s("none", {0}) + int64s("one", {1}) + int64s("s", {4, 0}) +
                 node("Slice", {"x", "none", "none", "one"}, {"empty"}) +
                 node("Reshape", {"empty", "s"}, {"y"}, attribute("allowzero", 1)) + output("y")));
  EXPECT_EQ(shape_of(net, "empty"), (Shape{2, 0, 4}));
  EXPECT_EQ(shape_of(net), (Shape{4, 0}));
}

TEST(OnnxTest, OverloadsOfAFunctionAreToldApart) {
  const std::string functions = R"(
    functions { name: "F" domain: "mine" input: "a" output: "b" node { op_type: "Relu" input: "a" output: "b" } }
    functions { name: "F" domain: "mine" overload: "v2" input: "a" output: "b"
                node { op_type: "Flatten" input: "a" output: "b" } })";
  const Net net = read(
      model(input("x", {2, 3, 4}) + node("F", {"x"}, {"y"}, R"(domain: "mine" overload: "v2")") + output("y"),
            20, functions));
  EXPECT_EQ(types(net), std::vector<std::string>{"Flatten"});
}

TEST(OnnxTest, ValuesOfTheGraphKeepTheirNames) {
  const std::string function = R"(functions { name: "F" domain: "mine" input: "a" output: "b"
    node { op_type: "Relu" input: "a" output: "mid" } node { op_type: "Tanh" input: "mid" output: "b" } })";
  const Net net = read(model(input("x", {1}) + node("F", {"x"}, {"z"}, R"(domain: "mine" name: "call")") +
                                 node("Relu", {"z"}, {"call/mid"}) + output("call/mid"),
                             20, function));
  EXPECT_EQ(net.external_outputs, std::vector<std::string>{"call/mid"});
  EXPECT_EQ(net.ops[2].outputs[0], "call/mid");
}

TEST(OnnxTest, SayingTheSameInOtherWordsGivesTheSameOperator) {
  const auto expanded = [](const std::vector<int64_t>& shape) {
    return read(model(input("x", {1, 3, 1, 1}) + int64s("s", shape) + node("Expand", {"x", "s"}, {"y"}) +
                      output("y")))
        .ops[0]
        .args;
  };
  EXPECT_EQ(expanded({1, 1, 8, 6}), expanded({8, 6}));
  EXPECT_EQ(expanded({1, 3, 8, 6}), expanded({8, 6}));
  const auto averaged = [](const std::string& rest) {
    return read(model(input("x", {1, 3, 8, 8}) +
                      node("AveragePool", {"x"}, {"y"}, attribute("kernel_shape", {2, 2}) + rest) +
                      output("y")))
        .ops[0]
        .args;
  };
  EXPECT_EQ(averaged(attribute("count_include_pad", 1)), averaged(""));
}

TEST(OnnxTest, OperatorsBehindAnUnknownOneAreUnknown) {
  const Net net = read(model(input("x", {4, 4}) + int64s("s", {0}) + int64s("e", {2}) + int64s("a", {1}) +
                             node("NonZero", {"x"}, {"z"}) + node("Slice", {"z", "s", "e", "a"}, {"c"}) +
                             node("Relu", {"c"}, {"y"}) + output("y")));
  EXPECT_EQ(types(net), (std::vector<std::string>{"NonZero", "ai.onnx.Slice", "Relu"}));
  for (const OpShapes& op : infer_shapes(net, {.allow_unknown = true}).ops) EXPECT_FALSE(op.known);
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError, HasSubstr("got \"NonZero\""));
}

TEST(OnnxTest, ShapesComeWithTheNetwork) {
  const auto [net, shapes] =
      read_onnx(model(input("x", {1, 4}) + int64s("s", {2, 2}) + node("Relu", {"x"}, {"z"}) +
                      node("Reshape", {"z", "s"}, {"y"}) + output("y")),
                "model.onnx");
  ASSERT_EQ(shapes.ops.size(), 2);
  const NetShapes again = infer_shapes(net);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(shapes.ops[i].outputs, again.ops[i].outputs);
}

TEST(OnnxTest, ParametersThatNoNodeReadsAreLeftOver) {
  const Net net = read(model(input("x", {1, 4}) + weight("w", {4, 4}) + std::string(kRelu) + output("y")));
  EXPECT_EQ(unread_parameters(net), std::vector<std::string>{"w"});
}

TEST(OnnxErrorTest, GraphsThatDoNotHoldTogether) {
  const std::string x = input("x", {1, 4});
  LATGRAD_EXPECT_ERROR(
      read(model(x + node("Relu", {"nowhere"}, {"y"}) + output("y"))), NetError,
      AllOf(HasSubstr("got one that nothing writes"), HasSubstr("nowhere"), HasSubstr("op 0 \"Relu\"")));
  LATGRAD_EXPECT_ERROR(
      read(model(x + node("Add", {"x", "b"}, {"a"}) + node("Relu", {"a"}, {"b"}) + output("b"))), NetError,
      HasSubstr("only a later node writes: the network is cyclic or out of order"));
  LATGRAD_EXPECT_ERROR(read(model(x + std::string(kRelu) + std::string(kRelu) + output("y"))), NetError,
                       HasSubstr("a value must be written once"));
  LATGRAD_EXPECT_ERROR(read(model(x + std::string(kRelu) + output("z"))), NetError,
                       HasSubstr("an output of the graph must be written by a node"));
  LATGRAD_EXPECT_ERROR(read(model(x + weight("w", {5, 4}) + node("MatMul", {"x", "w"}, {"y"}) + output("y"))),
                       NetError, AllOf(HasSubstr("must have 4 rows"), HasSubstr("op 0 \"MatMul\"")));
}

TEST(OnnxErrorTest, OpsetsThatAreNotSupported) {
  for (const int opset : {6, 1000, -1}) {
    LATGRAD_EXPECT_ERROR(read(model(input("x", {1}) + kRelu + output("y"), opset)), NetError,
                         HasSubstr("the opset must be from 7 to"));
  }
}

TEST(OnnxErrorTest, HugeDimensions) {
  LATGRAD_EXPECT_ERROR(read(model(input("x", {1LL << 40, 4}) + std::string(kRelu) + output("y"))), NetError,
                       HasSubstr("must be from 0 to 2^31 - 1"));
  LATGRAD_EXPECT_ERROR(read(model(input("x", {1, 4}) + int64s("r", {1LL << 62, 1LL << 62}) +
                                  node("Tile", {"x", "r"}, {"y"}) + output("y"))),
                       NetError, HasSubstr("op 0 \"Tile\""));
  LATGRAD_EXPECT_ERROR(
      read(model(input("x", {1}) + int64s("s", {1LL << 40}) + node("ConstantOfShape", {"s"}, {"c"}) +
                 node("Add", {"x", "c"}, {"y"}) + output("y"))),
      NetError, HasSubstr("must be from 0 to 2^31 - 1"));
}

// What would overflow, divide by zero or never end.
TEST(OnnxErrorTest, AttributesOutOfRange) {
  const std::string image = input("x", {1, 3, 8, 8});
  const auto fails = [&](const std::string& nodes, const std::string& message) {
    LATGRAD_EXPECT_ERROR(infer_shapes(read(model(image + nodes + output("y")))), NetError,
                         HasSubstr(message));
  };
  const int64_t huge = int64_t{1} << 62;
  const std::string w = weight("w", {4, 3, 3, 3});
  fails(node("MaxPool", {"x"}, {"y"}, attribute("kernel_shape", {huge, 1})), "the kernel must be positive");
  fails(node("MaxPool", {"x"}, {"y"}, attribute("kernel_shape", {0, 1})), "the kernel must be positive");
  fails(node("MaxPool", {"x"}, {"y"}, attribute("kernel_shape", {2, 2}) + attribute("strides", {0, 1})),
        "strides must be positive");
  fails(w + node("Conv", {"x", "w"}, {"y"}, attribute("pads", {huge, 0, 0, 0})), "pads must fit 32 bits");
  fails(w + node("Conv", {"x", "w"}, {"y"}, attribute("pads", {1, 1})),
        "pads must have 4 values, got [1, 1]");
  fails(w + node("Conv", {"x"}, {"y"}), "Conv must have at least 2 inputs");
  fails(weight("t", {3, 4, 3, 3}) + node("ConvTranspose", {"x", "t"}, {"y"}, attribute("strides", {huge, 1})),
        "strides must fit 32 bits");
  fails(node("Transpose", {"x"}, {"y"}, attribute("perm", {0, 0, 1, 2})), "axes must be a permutation");
  fails(node("Split", {"x"}, {}), "a node must have an output");
  fails(int64s("s", {0}) + int64s("e", {9}) + int64s("a", {0}) + int64s("p", {0}) +
            node("Slice", {"x", "s", "e", "a", "p"}, {"y"}),
        "the step of a slice must not be 0");
  fails(int64s("s", {5, -1}) + node("Reshape", {"x", "s"}, {"y"}), "shape must hold the 192 elements");
  fails(int64s("s", {0, 0, 0, 0}) + node("Slice", {"x", "s", "s"}, {"e"}) +
            "initializer { name: \"f\" data_type: 1 dims: 4 float_data: [2, 2, 2, 2] }" +
            node("Resize", {"e", "", "f"}, {"y"}),
        "a dimension must be resized to 1 to 2^31 - 1");
  LATGRAD_EXPECT_ERROR(read(model(input("x", {1LL << 62, 1LL << 62}) + std::string(kRelu) + output("y"))),
                       NetError, HasSubstr("a dimension must be from 0 to 2^31 - 1"));
  LATGRAD_EXPECT_ERROR(read(model(image + weight("v", {-5}) + node("Add", {"x", "v"}, {"y"}) + output("y"))),
                       NetError, HasSubstr("a dimension must be from 0 to 2^31 - 1"));
}

TEST(OnnxErrorTest, SmallFilesThatWouldGrow) {
  LATGRAD_EXPECT_ERROR(read(model(input("x", Shape(65, 1)) + std::string(kRelu) + output("y"))), NetError,
                       HasSubstr("a tensor must have at most 64 dimensions, got 65"));
  // A long name in front of every value of a function, and an attribute that every node of it takes.
  std::string body;
  for (int i = 0; i < 1000; ++i) {
    body += node("Relu", {i == 0 ? "a" : "v" + std::to_string(i - 1)}, {"v" + std::to_string(i)},
                 R"(attribute { name: "s" ref_attr_name: "s" type: 3 })");
  }
  const std::string function =
      "functions { name: \"F\" domain: \"mine\" input: \"a\" output: \"v999\" " + body + " }";
  const auto call = [&](const std::string& rest) {
    return model(input("x", {1}) + node("F", {"x"}, {"y"}, "domain: \"mine\" " + rest) + output("y"), 20,
                 function);
  };
  size_t name_bytes = 0;
  for (const Operator& op : read(call("name: \"" + std::string(1'000'000, 'n') + "\"")).ops) {
    name_bytes += op.outputs[0].size();
  }
  EXPECT_LT(name_bytes, 100'000);
  LATGRAD_EXPECT_ERROR(read(call(text_attribute("s", std::string(1'000'000, 's')))), NetError,
                       HasSubstr("the functions of a model must stay below"));
}

// Ten functions, each of which calls the next ten times.
TEST(OnnxErrorTest, FunctionsThatMultiply) {
  std::string functions;
  for (int i = 0; i < 10; ++i) {
    functions +=
        "functions { name: \"F" + std::to_string(i) + "\" domain: \"mine\" input: \"a\" output: \"v9\"";
    for (int k = 0; k < 10; ++k) {
      functions +=
          node(i == 9 ? "Relu" : "F" + std::to_string(i + 1), {k == 0 ? "a" : "v" + std::to_string(k - 1)},
               {"v" + std::to_string(k)}, i == 9 ? "" : "domain: \"mine\"");
    }
    functions += " }";
  }
  LATGRAD_EXPECT_ERROR(
      read(model(input("x", {1}) + node("F0", {"x"}, {"y"}, R"(domain: "mine")") + output("y"), 20,
                 functions)),
      NetError, HasSubstr("must"));
}

TEST(OnnxErrorTest, EveryCutAndEveryChangedByteIsAnErrorOrANetwork) {
  const std::string bytes =
      model(input("x", {1, 3, 8, 8}) + weight("w", {4, 3, 3, 3}) + int64s("s", {1, -1}) +
            node("Conv", {"x", "w"}, {"c"}, attribute("pads", {1, 1, 1, 1})) +
            node("Reshape", {"c", "s"}, {"y"}) + output("y"));
  const auto survives = [](const std::string& changed) {
    try {
      infer_shapes(read(changed), {.allow_unknown = true});
    } catch (const Error&) {
    }
  };
  for (size_t size = 0; size < bytes.size(); ++size) survives(bytes.substr(0, size));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char value : {'\x00', '\x7f', '\xff', '\x01'}) {
      std::string changed = bytes;
      changed[at] = value;
      survives(changed);
    }
  }
}

TEST(OnnxErrorTest, GraphsNestedTooDeep) {
  onnx::ModelProto message;
  message.set_ir_version(9);
  onnx::GraphProto* graph = message.mutable_graph();
  for (int i = 0; i < 90; ++i) {
    onnx::AttributeProto* branch = graph->add_node()->add_attribute();
    branch->set_name("then_branch");
    // Longer than what is copied unseen.
    branch->set_s(std::string(2000, 's'));
    graph = branch->mutable_g();
  }
  LATGRAD_EXPECT_ERROR(read(message.SerializeAsString()), ParseError,
                       HasSubstr("the ONNX model is malformed"));
}

// docs/onnx.md lists every operator type; where this fails, the expected table is in the message.
template <typename Row>
std::string table_of(std::vector<const Row*> rows, std::string table) {
  std::ranges::sort(rows, {}, &Row::type);
  for (const Row* row : rows)
    table += "| " + std::string(row->type) + " | " + std::string(row->target) + " |\n";
  return table;
}

TEST(OnnxDocsTest, TheTablesOfTypesAreThoseOfTheRules) {
  std::ifstream file(source_file("docs/onnx.md"));
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_THAT(page, HasSubstr(table_of(onnx_ops::lowering_rows(), "| ONNX | latgrad |\n|---|---|\n")));
  EXPECT_THAT(page, HasSubstr(table_of(onnx_ops::writing_rows(), "| latgrad | ONNX |\n|---|---|\n")));
}

nlohmann::json facts_of(const std::filesystem::path& folder) {
  return nlohmann::json::parse(std::ifstream(folder / "facts.json"));
}

// Every value of the published networks, as ONNX Runtime produced it.
TEST(PublishedOnnxTest, ShapesMacsAndWeights) {
  LATGRAD_NEED_SHARED("onnx");
  size_t networks = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shared_data("onnx"))) {
    const nlohmann::json facts = facts_of(entry.path());
    SCOPED_TRACE(facts.at("name").get<std::string>());
    const Net net = read_net(entry.path());
    const NetShapes shapes = infer_shapes(net);
    for (const auto& [value, shape] : facts.at("shapes").items()) {
      const auto it = shapes.blobs.find(value);
      const Shape& inferred = it == shapes.blobs.end() ? net.constants.at(value).shape : it->second.shape;
      EXPECT_EQ(inferred, shape.get<Shape>()) << value;
    }
    EXPECT_EQ(count_macs(shapes).total(), facts.at("macs").get<int64_t>());
    const ParameterCount params = count_parameters(net, shapes);
    const auto weights = facts.at("weights").get<double>();
    EXPECT_NEAR(static_cast<double>(params.weights + params.others), weights, 0.005 * weights);
    EXPECT_TRUE(unread_parameters(net).empty());
    // In one pass the same.
    const auto [same, same_shapes] = read_and_infer(entry.path());
    EXPECT_EQ(same, net);
    ASSERT_EQ(same_shapes.ops.size(), shapes.ops.size());
    for (size_t i = 0; i < shapes.ops.size(); ++i) {
      EXPECT_EQ(same_shapes.ops[i].inputs, shapes.ops[i].inputs);
      EXPECT_EQ(same_shapes.ops[i].outputs, shapes.ops[i].outputs);
      EXPECT_EQ(same_shapes.ops[i].macs, shapes.ops[i].macs);
    }
    ++networks;
  }
  EXPECT_GE(networks, 15);
}

}  // namespace
}  // namespace latgrad::net
