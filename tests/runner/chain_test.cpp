#include "latgrad/runner/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_net.h"

namespace latgrad::runner {
namespace {

using ::testing::ElementsAre;

Chain chain_of(const net::Net& net) {
  return make_chain(net, net::infer_shapes(net, {.allow_unknown = true}));
}

TEST(ChainTest, SaysWhoFeedsWhom) {
  Chain chain = chain_of(small_net());
  ASSERT_EQ(chain.size(), 5u);
  EXPECT_THAT(chain[0].sources, ElementsAre(kOutside));
  EXPECT_THAT(chain[1].sources, ElementsAre(0));
  EXPECT_THAT(chain[2].sources, ElementsAre(1, kOutside, kOutside));
  EXPECT_THAT(chain[3].sources, ElementsAre(2, kOutside, kOutside));
  EXPECT_THAT(chain[4].sources, ElementsAre(3));
}

TEST(ChainTest, AnOperatorInPlaceIsTheWriterFromThenOn) {
  net::Net net = net::parse_netdef_text(R"(
    external_input: "x"
    op { input: "x" output: "a" type: "Relu" }
    op { input: "a" output: "a" type: "Sigmoid" }
    op { input: "a" input: "x" output: "b" type: "Sum" })",
                                        "in_place.pbtxt");
  net.inputs["x"] = {{1, 2}, net::DataType::kFloat};
  Chain chain = chain_of(net);
  EXPECT_THAT(chain[1].sources, ElementsAre(0));
  EXPECT_THAT(chain[2].sources, ElementsAre(1, kOutside));
}

TEST(ChainTest, LeavesOutWhatHasNoShape) {
  net::Net net = net::parse_netdef_text(R"(
    external_input: "x"
    op { input: "x" output: "a" type: "Relu" }
    op { input: "x" output: "a" type: "Mystery" }
    op { input: "x" output: "b" type: "Sigmoid" })",
                                        "mystery.pbtxt");
  net.inputs["x"] = {{1, 2}, net::DataType::kFloat};
  Chain chain = chain_of(net);
  ASSERT_EQ(chain.size(), 2u);
  EXPECT_EQ(chain[1].key.op_type, "Sigmoid");
  EXPECT_THAT(chain[1].sources, ElementsAre(kOutside));
}

TEST(ChainTest, AsANetworkItIsTheSameChain) {
  const Chain chain = chain_of(small_net());
  const net::Net net = chain_net(chain);
  EXPECT_EQ(net.inputs.size(), 1U);
  EXPECT_EQ(net.parameters.size(), 4U);
  EXPECT_EQ(net.external_outputs.size(), 1U);
  const Chain again = chain_of(net);
  ASSERT_EQ(again.size(), chain.size());
  for (size_t i = 0; i < chain.size(); ++i) {
    EXPECT_EQ(lut::canonical(again[i].key), lut::canonical(chain[i].key));
    EXPECT_EQ(again[i].sources, chain[i].sources);
  }
}

}  // namespace
}  // namespace latgrad::runner
