// Runs a test on every instruction set that this machine has and the kernels are compiled for.
//
//   using MyTest = EveryTarget;
//   TEST_P(MyTest, DoesThis) { ... }
//   LATGRAD_ON_EVERY_TARGET(MyTest);

#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <string>
#include <vector>

namespace latgrad::ops::simd {

class EveryTarget : public ::testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

inline std::vector<uint32_t> targets_here() {
  std::vector<uint32_t> targets;
  for (uint32_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    targets.push_back(rest & (~rest + 1));
  }
  return targets;
}

#define LATGRAD_ON_EVERY_TARGET(Test)                                              \
  INSTANTIATE_TEST_SUITE_P(EveryTarget, Test, ::testing::ValuesIn(targets_here()), \
                           [](const auto& target) { return std::string(hwy::TargetName(target.param)); })

}  // namespace latgrad::ops::simd
