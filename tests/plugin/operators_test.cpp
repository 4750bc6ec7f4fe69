// The operators as C++ calls them. Their numerics are tested from Python, in tests/python.

#include "latgrad/plugin/operators.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

namespace latgrad {
namespace {

using ::testing::HasSubstr;

TEST(ExpectedLatencyTest, AddsProbabilityTimesLatency) {
  const auto probs = torch::tensor({{0.25, 0.75}, {1.0, 0.0}});
  const auto table_us = torch::tensor({{100.0, 200.0}, {10.0, 20.0}});
  EXPECT_EQ(expected_latency(probs, table_us).item<double>(), 0.25 * 100 + 0.75 * 200 + 10);
}

TEST(ExpectedLatencyTest, SendsGradientsToBothArguments) {
  const auto probs = torch::rand({5, 3, 4}, torch::kDouble).requires_grad_();
  const auto table_us = torch::rand({3, 4}, torch::kDouble).requires_grad_();
  expected_latency(probs, table_us).sum().backward();
  EXPECT_TRUE(torch::equal(probs.grad(), table_us.expand({5, 3, 4})));
  EXPECT_TRUE(torch::allclose(table_us.grad(), probs.sum(0)));
}

TEST(ExpectedLatencyTest, ThrowsTorchErrorWithRuleAndValue) {
  try {
    expected_latency(torch::rand({2, 3}), torch::rand({2, 4}));
    FAIL() << "took a table of other candidates";
  } catch (const c10::Error& error) {
    EXPECT_THAT(
        error.what_without_backtrace(),
        HasSubstr("must agree in layers and candidates, their last two dimensions, got [2, 3] and [2, 4]"));
  }
}

TEST(ExpectedLatencyBackwardTest, GivesEmptyTensorsForWhatIsNotAskedFor) {
  const auto [probs, table] =
      expected_latency_backward(torch::ones({2}), torch::rand({2, 3, 4}), torch::rand({3, 4}), {true, false});
  EXPECT_EQ(probs.sizes(), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(table.numel(), 0);
}

TEST(ArchLatencyTest, AddsTheChosenCandidates) {
  const auto table_us = torch::tensor({{1.0, 2.0, 4.0}, {10.0, 20.0, 40.0}});
  const auto arch = torch::tensor({{2, 1}, {0, 2}}, torch::kLong);
  EXPECT_TRUE(torch::equal(arch_latency(arch, table_us), torch::tensor({24.0, 41.0})));
}

TEST(ArchLatencyTest, ThrowsTorchErrorForIndexOutOfRange) {
  try {
    arch_latency(torch::tensor({0, 3}, torch::kLong), torch::rand({2, 3}));
    FAIL() << "took an index that is no candidate";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr("got 3 in layer 1 of architecture 0"));
  }
}

}  // namespace
}  // namespace latgrad
