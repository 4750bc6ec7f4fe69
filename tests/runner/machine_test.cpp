#include "latgrad/runner/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latgrad::runner {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

TEST(MachineTest, NamesTheDeviceAfterTheCpu) {
  auto device = [](const char* cpuinfo) { return default_device(parse_cpuinfo(cpuinfo), "qnnpack"); };
  EXPECT_EQ(device("processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz\n"),
            "intel-core-i7-8550u-qnnpack");
  EXPECT_EQ(device("model name\t: AMD Ryzen 7 5800X 8-Core Processor\n"), "amd-ryzen-7-5800x-8-core-qnnpack");
  EXPECT_EQ(device("cpu family : 6\nmodel : 207\nmodel name : Intel(R) Xeon(R) Processor\n"),
            "intel-xeon-family6-model207-qnnpack");
  EXPECT_EQ(device("Hardware : Qualcomm Technologies, Inc SM8250\n"),
            "qualcomm-technologies-inc-sm8250-qnnpack");
  EXPECT_EQ(device(""), "unknown-qnnpack");
  EXPECT_EQ(device("model name: ../../etc/passwd\n"), "etc-passwd-qnnpack");
}

TEST(MachineTest, KnowsThisMachine) {
  Machine machine = this_machine();
  EXPECT_GE(machine.logical_cores, 1);
  EXPECT_THAT(machine.architecture, Not(IsEmpty()));
  EXPECT_THAT(default_device(machine, "X86"), ::testing::MatchesRegex("[a-z0-9]+(-[a-z0-9]+)*-x86"));
}

}  // namespace
}  // namespace latgrad::runner
