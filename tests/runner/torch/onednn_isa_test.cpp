#include "onednn_isa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include <cstdlib>
#include <map>

namespace latgrad::runner {
namespace {

// Puts the environment back as it was.
class OnednnIsaTest : public ::testing::Test {
 protected:
  OnednnIsaTest() {
    for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
  }
  ~OnednnIsaTest() override {
    for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) ::unsetenv(name);
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(OnednnIsaTest, NothingIsLeftOutButAmxAndThatOfOldTorchesOnly) {
  avoid_faulty_amx();
  if (TORCH_VERSION_MAJOR >= 2 && TORCH_VERSION_MINOR >= 1) {
    EXPECT_EQ(onednn_isa_limit(), "");
  } else {
    EXPECT_THAT(onednn_isa_limit(), ::testing::AnyOf("", "AVX512_CORE_BF16"));
  }
}

TEST_F(OnednnIsaTest, ALimitOfTheUserStays) {
  ::setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
  avoid_faulty_amx();
  EXPECT_EQ(onednn_isa_limit(), "AVX2");
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", 1);
  EXPECT_EQ(onednn_isa_limit(), "AVX512_CORE");
}

}  // namespace
}  // namespace latgrad::runner
