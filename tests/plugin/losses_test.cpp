// The losses as C++ calls them. Their numerics are tested from Python, in tests/python.

#include "latgrad/plugin/losses.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

namespace latgrad {
namespace {

using ::testing::HasSubstr;

torch::Tensor scalar(double value) { return torch::tensor(value, torch::kDouble); }

TEST(FbnetLossTest, HasTheAlphaAndBetaOfThePaper) {
  // ln(e^32) is 32, whose 0.6th power is 2^3.
  EXPECT_NEAR(fbnet_loss(scalar(1.5), scalar(std::exp(32.0))).item<double>(), 1.5 * 0.2 * 8, 1e-12);
}

TEST(FbnetLossTest, SendsGradientsToBothArguments) {
  const auto cross_entropy = scalar(2).requires_grad_();
  const auto latency_us = scalar(5000).requires_grad_();
  fbnet_loss(cross_entropy, latency_us, 0.5, 1.0).backward();
  EXPECT_NEAR(cross_entropy.grad().item<double>(), 0.5 * std::log(5000.0), 1e-12);
  EXPECT_NEAR(latency_us.grad().item<double>(), 2 * 0.5 / 5000, 1e-15);
}

TEST(ProxylessnasLossTest, AddsTheWeightedExcess) {
  EXPECT_NEAR(proxylessnas_loss(scalar(2), scalar(12000), 10000, 0.5).item<double>(), 2.1, 1e-12);
}

TEST(ProxylessnasLogLossTest, MultipliesByThePowerOfTheRatioOfLogarithms) {
  EXPECT_NEAR(proxylessnas_log_loss(scalar(3), scalar(10000), 100, 0.5, 2).item<double>(), 6, 1e-12);
}

TEST(TunasPenaltyTest, IsTheRelativeDistance) {
  EXPECT_NEAR(tunas_penalty(scalar(8000), 10000).item<double>(), 0.2, 1e-12);
}

TEST(HingePenaltyTest, IsFreeUpToTheTarget) {
  EXPECT_NEAR(hinge_penalty(scalar(12000), 10000).item<double>(), 0.2, 1e-12);
  EXPECT_EQ(hinge_penalty(scalar(8000), 10000).item<double>(), 0);
}

TEST(LogLatencyTest, ThrowsTorchErrorWithRuleAndValue) {
  try {
    log_latency(torch::tensor({8000.0, 0.5}));
    FAIL() << "took a latency below 1 us";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(),
                HasSubstr("at least 1 us where its logarithm is taken, got 0.5 at element 1 of 2"));
  }
}

}  // namespace
}  // namespace latgrad
