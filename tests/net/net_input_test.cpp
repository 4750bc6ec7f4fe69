#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"

namespace latgrad::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Net conv_net(const std::string& external_inputs) {
  return parse_netdef_text(R"(
op { type: "Conv" input: "data" input: "w" output: "y" arg { name: "kernel" i: 3 } }
op { type: "Relu" input: "y" output: "y" }
)" + external_inputs,
                           "model.pb");
}

TEST(SetInputTest, WinsOverThePlaceholderThatExportersWriteIntoTheInitNet) {
  Net net = conv_net(R"(external_input: "data" external_input: "w")");
  add_init_net(net, R"(
op { type: "GivenTensorFill" output: "w" arg { name: "shape" ints: 4 ints: 3 ints: 3 ints: 3 } }
op { type: "GivenTensorFill" output: "data" arg { name: "shape" ints: 1 ints: 1 } }
)",
               "model_init.pb");
  set_input(net, "data", {1, 3, 8, 8});
  EXPECT_EQ(net.parameters.count("data"), 0);
  EXPECT_EQ(infer_shapes(net).ops[0].outputs[0].shape, (Shape{1, 4, 6, 6}));
}

TEST(SetInputTest, TakesABlobThatTheNetworkDoesNotList) {
  Net net = conv_net("");
  net.parameters["w"] = {{4, 3, 3, 3}, DataType::kFloat};
  set_input(net, "data", {1, 3, 8, 8});
  EXPECT_EQ(infer_shapes(net).ops[1].outputs[0].shape, (Shape{1, 4, 6, 6}));
}

TEST(SetInputTest, TakesABlobThatIsOnlyJoinedToAnother) {
  Net net = parse_netdef_text(R"(
op { type: "Sum" input: "left" input: "right" output: "sum" }
op { type: "Int8ConvSum" input: "sum" input: "w" input: "b" input: "shortcut" output: "y"
     arg { name: "kernel" i: 1 } }
external_input: "left" external_input: "right" external_input: "shortcut"
external_input: "w" external_input: "b"
)",
                              "model.pb");
  net.parameters["w"] = {{4, 1, 1, 4}, DataType::kUint8};
  for (const std::string blob : {"left", "right", "shortcut"}) set_input(net, blob, {1, 8, 8, 4});
  EXPECT_EQ(infer_shapes(net).ops[1].outputs[0].shape, (Shape{1, 8, 8, 4}));
  for (const std::string blob : {"w", "b"}) EXPECT_FALSE(is_data_input(net, blob));
}

TEST(SetInputTest, KeepsTheTypeUnlessOneIsGiven) {
  Net net = conv_net("");
  net.inputs["data"].dtype = DataType::kUint8;
  set_input(net, "data", {1, 3, 8, 8});
  EXPECT_EQ(net.inputs["data"], (TensorInfo{{1, 3, 8, 8}, DataType::kUint8}));
  set_input(net, "data", {1, 3, 8, 8}, DataType::kFloat);
  EXPECT_EQ(net.inputs["data"].dtype, DataType::kFloat);
}

TEST(SetInputTest, RefusesABlobThatIsNotThere) {
  Net net = conv_net("");
  LATGRAD_EXPECT_ERROR(
      set_input(net, "no-such", {1}), ValueError,
      HasSubstr("an input must be a blob of the network, got one that no operator reads or writes "
                "(model.pb, blob \"no-such\")"));
}

TEST(SetInputTest, TheShapeOfAKnownOutputCanOnlyBeTheSame) {
  Net net = conv_net("");
  net.inputs["data"] = {{1, 3, 8, 8}};
  net.parameters["w"] = {{4, 3, 3, 3}};
  const Shape shape = infer_shapes(net).blobs.at("y").shape;
  set_input(net, "y", shape);
  EXPECT_NO_THROW(infer_shapes(net));
  set_input(net, "y", {1, 2, 3, 4});
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       HasSubstr("a shape that is given must be the one that the operator writes"));
}

// A detector: what proposes boxes is unknown, and takes a second input from outside.
constexpr const char* kDetector = R"(
op { type: "Relu" input: "feat" output: "f" }
op { type: "CustomProposals" input: "f" input: "im_info" output: "rois" }
op { type: "RoIAlign" input: "f" input: "rois" output: "r" arg { name: "pooled_h" i: 7 } arg { name: "pooled_w" i: 5 } }
op { type: "Relu" input: "r" output: "y" }
external_input: "feat" external_input: "im_info" external_output: "y")";

TEST(SetInputTest, TakesWhatOnlyAnUnknownOperatorReads) {
  Net net = parse_netdef_text(kDetector, "model.pb");
  set_input(net, "feat", {1, 8, 4, 4});
  set_input(net, "im_info", {1, 3});
  const NetShapes shapes = infer_shapes(net, {.allow_unknown = true});
  EXPECT_EQ(shapes.blobs.at("f").shape, (Shape{1, 8, 4, 4}));
  EXPECT_FALSE(shapes.blobs.contains("y"));
}

TEST(SetInputTest, TakesTheShapeBehindAnUnknownOperator) {
  Net net = parse_netdef_text(kDetector, "model.pb");
  set_input(net, "feat", {1, 8, 4, 4});
  set_input(net, "rois", {100, 5});
  const NetShapes shapes = infer_shapes(net, {.allow_unknown = true});
  EXPECT_FALSE(shapes.ops[1].known);
  EXPECT_TRUE(shapes.ops[2].known);
  EXPECT_EQ(shapes.blobs.at("y").shape, (Shape{100, 8, 7, 5}));
}

TEST(SetInputTest, GivesTheCountOfBoxesThatOnlyRunningTells) {
  std::string text = kDetector;
  text.replace(text.find("CustomProposals"), 15, "CollectRpnProposals");
  Net net = parse_netdef_text(text, "model.pb");
  set_input(net, "feat", {1, 8, 4, 4});
  set_input(net, "im_info", {1, 3});
  LATGRAD_EXPECT_ERROR(infer_shapes(net), NetError,
                       AllOf(HasSubstr("the number of boxes must be known without running the network"),
                             HasSubstr("--input BLOB=DIMS")));
  EXPECT_FALSE(infer_shapes(net, {.allow_unknown = true}).ops[1].known);
  set_input(net, "rois", {100, 5});
  const NetShapes shapes = infer_shapes(net);
  EXPECT_TRUE(shapes.ops[1].known);
  EXPECT_EQ(shapes.blobs.at("y").shape, (Shape{100, 8, 7, 5}));
}

TEST(UnreadParametersTest, AreThoseOfACutNetwork) {
  Net net = conv_net("");
  net.parameters = {{"w", {{4, 3, 3, 3}}}, {"fc_w", {{2, 9}}}, {"b", {{4}}}};
  EXPECT_EQ(unread_parameters(net), (std::vector<std::string>{"b", "fc_w"}));
}

}  // namespace
}  // namespace latgrad::net
