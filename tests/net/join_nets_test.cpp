#include "latgrad/net/join_nets.h"

#include <gmock/gmock.h>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/netdef.h"

namespace latgrad::net {
namespace {

using testing::ElementsAre;

Net part(const std::string& ops, const Shape& input, const std::string& output = "y") {
  Net net = parse_netdef_text(ops, "part");
  net.inputs["x"] = {input, DataType::kFloat};
  net.external_inputs = {"x"};
  net.external_outputs = {output};
  return net;
}

Net conv() {
  Net net = part(
      R"(op { type: "Conv" name: "/c/Conv" input: "x" input: "w" output: "y" arg { name: "kernel" i: 3 } })",
      {1, 3, 8, 8});
  net.parameters["w"] = {{4, 3, 3, 3}, DataType::kFloat};
  return net;
}

TEST(JoinNetsTest, EachPartReadsWhatTheOneBeforeItWrites) {
  const Net relu = part(R"(op { type: "Relu" name: "relu" input: "x" output: "y" })", {1, 4, 6, 6});
  const Net net = join_nets({{"stem", conv()}, {"layers.0", relu}, {"head", relu}});
  ASSERT_EQ(net.ops.size(), 3U);
  EXPECT_THAT(net.ops[0].inputs, ElementsAre("stem/x", "stem/w"));
  EXPECT_THAT(net.ops[1].inputs, ElementsAre("stem/y"));
  EXPECT_THAT(net.ops[2].inputs, ElementsAre("layers.0/y"));
  EXPECT_EQ(net.ops[0].name, "/stem/c/Conv");
  EXPECT_EQ(net.ops[1].name, "/layers.0/relu");
  EXPECT_THAT(net.external_inputs, ElementsAre("stem/x"));
  EXPECT_THAT(net.external_outputs, ElementsAre("head/y"));
  EXPECT_EQ(infer_shapes(net).blobs.at("head/y").shape, Shape({1, 4, 6, 6}));
  EXPECT_EQ(net.parameters.at("stem/w").shape, Shape({4, 3, 3, 3}));
}

TEST(JoinNetsTest, APartWithoutOperatorsPassesOnWhatItGets) {
  const Net identity = part("", {1, 4, 6, 6}, "x");
  const Net net = join_nets({{"stem", conv()}, {"skip", identity}, {"skip2", identity}});
  EXPECT_EQ(net.ops.size(), 1U);
  EXPECT_THAT(net.external_outputs, ElementsAre("stem/y"));
}

TEST(JoinNetsTest, PartsMustFit) {
  const Net other = part(R"(op { type: "Relu" input: "x" output: "y" })", {1, 5, 6, 6});
  const auto error_of = [](const std::vector<NetPart>& parts) -> std::string {
    try {
      join_nets(parts);
    } catch (const ValueError& error) {
      return error.what();
    }
    return "none";
  };
  const Net stem = conv();
  EXPECT_EQ(error_of({{"stem", stem}, {"layers.0", other}}),
            "layers.0 must read what stem writes, [1, 4, 6, 6], got [1, 5, 6, 6]");
  Net two = other;
  two.inputs["z"] = two.inputs["x"];
  two.external_inputs.push_back("z");
  EXPECT_EQ(error_of({{"stem", stem}, {"head", two}}),
            "head must read as many tensors as stem writes, 1, got 2");
  EXPECT_EQ(error_of({}), "a network must be joined of at least one part, got none");
}

}  // namespace
}  // namespace latgrad::net
