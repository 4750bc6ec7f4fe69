// The operators as C++ calls them. Their numerics are tested from Python, in tests/python.

#include "latgrad/plugin/operators.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

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

TEST(ExpectedLatencyBackwardTest, GivesEmptyTensorsForWhatIsNotAskedFor) {
  const auto [probs, table] =
      expected_latency_backward(torch::ones({2}), torch::rand({2, 3, 4}), torch::rand({3, 4}), {true, false});
  EXPECT_EQ(probs.sizes(), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(table.numel(), 0);
}

TEST(ChainLatencyTest, AddsTheLatencyBehindEachPredecessor) {
  const auto probs = torch::tensor({{0.25, 0.75}, {0.5, 0.5}}, torch::kDouble).requires_grad_();
  const auto table_us =
      torch::tensor({{{100.0, 200.0}, {7.0, 7.0}}, {{10.0, 20.0}, {30.0, 40.0}}}, torch::kDouble);
  const auto latency_us = chain_latency(probs, table_us);
  EXPECT_EQ(latency_us.item<double>(), 0.25 * 100 + 0.75 * 200 + 0.25 * 15 + 0.75 * 35);
  latency_us.backward();
  const auto expected = torch::tensor({{115.0, 235.0}, {25.0, 35.0}}, torch::kDouble);
  EXPECT_TRUE(torch::equal(probs.grad(), expected));
}

TEST(ChainLatencyBackwardTest, GivesEmptyTensorsForWhatIsNotAskedFor) {
  const auto [probs, table] =
      chain_latency_backward(torch::ones({2}), torch::rand({2, 3, 4}), torch::rand({3, 4, 4}), {false, true});
  EXPECT_EQ(probs.numel(), 0);
  EXPECT_EQ(table.sizes(), (std::vector<int64_t>{3, 4, 4}));
}

TEST(SoftmaxLatencyTest, IsTheExpectedLatencyOfTheSoftmax) {
  const auto logits = torch::randn({5, 3, 4}, torch::kDouble).requires_grad_();
  const auto table_us = torch::rand({3, 4}, torch::kDouble).requires_grad_();
  const auto ours = softmax_latency(logits, table_us);
  const auto theirs = expected_latency(logits.softmax(-1), table_us);
  EXPECT_TRUE(torch::allclose(ours, theirs));
  const auto mine = torch::autograd::grad({ours.sum()}, {logits, table_us});
  const auto other = torch::autograd::grad({theirs.sum()}, {logits, table_us});
  for (size_t i = 0; i < mine.size(); ++i) EXPECT_TRUE(torch::allclose(mine[i], other[i]));
}

TEST(SoftmaxLatencyTest, TakesAMask) {
  const auto logits = torch::tensor({{0.0, 0.0, std::numeric_limits<double>::quiet_NaN()}});
  const auto valid = torch::tensor({{true, true, false}});
  EXPECT_EQ(softmax_latency(logits, torch::tensor({{1.0, 3.0, 5.0}}), valid).item<double>(), 2.0);
}

TEST(GumbelLatencyTest, GivesWeightsAndTheirLatency) {
  const auto logits = torch::randn({7, 3, 4}, torch::kDouble).requires_grad_();
  const auto table_us = torch::rand({3, 4}, torch::kDouble);
  const auto [weights, latency_us] = gumbel_latency(logits, table_us, 0.5);
  EXPECT_TRUE(torch::allclose(weights.sum(-1), torch::ones({7, 3}, torch::kDouble)));
  EXPECT_TRUE(torch::allclose(latency_us, expected_latency(weights, table_us)));
  (weights.square().sum() + latency_us.sum()).backward();
  EXPECT_TRUE(logits.grad().abs().sum().item<double>() > 0);
}

TEST(GumbelLatencyTest, ASeededGeneratorGivesTheSameSample) {
  const auto logits = torch::zeros({3, 4});
  const auto table_us = torch::ones({3, 4});
  std::vector<at::Tensor> samples;
  for (const uint64_t seed : {5, 5, 6}) {
    at::Generator generator = at::detail::createCPUGenerator(seed);
    samples.push_back(std::get<0>(gumbel_latency(logits, table_us, 1.0, {}, /*hard=*/false, generator)));
  }
  EXPECT_TRUE(torch::equal(samples[0], samples[1]));
  EXPECT_FALSE(torch::equal(samples[0], samples[2]));
}

TEST(ArchLatencyTest, AddsTheChosenCandidates) {
  const auto table_us = torch::tensor({{1.0, 2.0, 4.0}, {10.0, 20.0, 40.0}});
  const auto arch = torch::tensor({{2, 1}, {0, 2}}, torch::kLong);
  EXPECT_TRUE(torch::equal(arch_latency(arch, table_us), torch::tensor({24.0, 41.0})));
}

TEST(ChainArchLatencyTest, AddsTheLatenciesAlongThePath) {
  const auto table_us = torch::tensor({{{1.0, 2.0}, {7.0, 7.0}}, {{10.0, 20.0}, {30.0, 40.0}}});
  const auto arch = torch::tensor({{0, 1}, {1, 0}}, torch::kLong);
  EXPECT_TRUE(torch::equal(chain_arch_latency(arch, table_us), torch::tensor({21.0, 32.0})));
}

struct WrongCall {
  std::string message;
  std::function<void()> call;
};

// As tests/python/test_misuse.py, which has more of each kind.
std::vector<WrongCall> wrong_calls() {
  const auto x = torch::rand({2, 3});
  const auto table_us = torch::rand({2, 3});
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  const auto nan_entry = torch::full({2, 3}, nan);
  const auto meta = torch::rand({2, 3}, torch::kMeta);
  const auto none_valid = torch::zeros({2, 3}, torch::kBool);
  const std::string agree =
      "must agree in layers and candidates, their last two dimensions, got [2, 3] and [2, 4]";
  const std::string dtype = "must be float16, bfloat16, float32 or float64, got Long";
  const std::string values = "table_us must be finite and not negative, got ";
  return {
      {"probs and table_us " + agree,
       [=] {
         expected_latency(x, torch::rand({2, 4}));
       }},
      {"logits and table_us " + agree,
       [=] {
         softmax_latency(x, torch::rand({2, 4}));
       }},
      {"logits and table_us " + agree,
       [=] {
         gumbel_latency(x, torch::rand({2, 4}), 1.0);
       }},
      {"probs " + dtype, [=] { expected_latency(x.to(torch::kLong), table_us); }},
      {"probs and table_us must agree in layers and candidates, got [2, 3] and [2, 4, 4]",
       [=] {
         chain_latency(x, torch::rand({2, 4, 4}));
       }},
      {values + "nan",
       [=] {
         chain_latency(x, nan_entry.unsqueeze(1).expand({2, 3, 3}));
       }},
      {"logits " + dtype, [=] { softmax_latency(x.to(torch::kLong), table_us); }},
      {"logits " + dtype, [=] { gumbel_latency(x.to(torch::kLong), table_us, 1.0); }},
      {"must be on the same device, got cpu and meta", [=] { expected_latency(x, meta); }},
      {"must be on the same device, got cpu and meta", [=] { softmax_latency(x, meta); }},
      {"must be on the same device, got cpu and meta", [=] { gumbel_latency(x, meta, 1.0); }},
      {values + "nan", [=] { expected_latency(x, nan_entry); }},
      {values + "nan", [=] { softmax_latency(x, nan_entry); }},
      {values + "nan", [=] { gumbel_latency(x, nan_entry, 1.0); }},
      {values + "-", [=] { expected_latency(x, -table_us); }},
      {values + "-", [=] { softmax_latency(x, -table_us); }},
      {values + "-", [=] { gumbel_latency(x, -table_us, 1.0); }},
      {"valid must be bool, got Float", [=] { softmax_latency(x, table_us, x); }},
      {"valid must leave every layer a candidate, got none in layer 0",
       [=] { softmax_latency(x, table_us, none_valid); }},
      {"temperature must be positive and finite, and so its inverse in float32, got 0",
       [=] { gumbel_latency(x, table_us, 0); }},
      {"temperature must be positive and finite, and so its inverse in float32, got nan",
       [=] { gumbel_latency(x, table_us, nan); }},
      {"got 3 in layer 1 of architecture 0",
       [=] {
         arch_latency(torch::tensor({0, 3}, torch::kLong), table_us);
       }},
      {"arch must be uint8 or int64, got Int",
       [=] {
         arch_latency(torch::tensor({0, 1}, torch::kInt), table_us);
       }},
      {"arch and table_us must be on the same device",
       [=] {
         arch_latency(torch::tensor({0, 1}, torch::kLong), meta);
       }},
  };
}

TEST(MisuseTest, ThrowsTorchErrorWithRuleAndValue) {
  for (const WrongCall& wrong : wrong_calls()) {
    try {
      wrong.call();
      ADD_FAILURE() << "no error where it should be: " << wrong.message;
    } catch (const c10::Error& error) {
      EXPECT_THAT(error.what_without_backtrace(), HasSubstr(wrong.message));
    }
  }
}

}  // namespace
}  // namespace latgrad
