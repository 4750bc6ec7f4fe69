#include <gtest/gtest.h>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"

namespace latgrad::net {
namespace {

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

TEST(SetInputTest, RefusesAWeightAnActivationAndAnUnknownBlob) {
  Net net = conv_net("");
  for (const std::string blob : {"w", "y", "no-such"}) {
    EXPECT_FALSE(is_data_input(net, blob));
    try {
      set_input(net, blob, {1});
      ADD_FAILURE() << blob << " was taken";
    } catch (const ValueError& error) {
      EXPECT_EQ(
          error.what(),
          "an input must be a blob that the network takes from outside and reads as data (model.pb, blob \"" +
              blob + "\")");
    }
  }
}

}  // namespace
}  // namespace latgrad::net
