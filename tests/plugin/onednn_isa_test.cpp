#include "onednn_isa.h"

#include <gtest/gtest.h>
#include <torch/version.h>

#include <cstdlib>

namespace latgrad::profile {
namespace {

// Puts the environment back as it was.
class OnednnIsaTest : public ::testing::Test {
 protected:
  OnednnIsaTest() : before_(onednn_isa_limit()) { clear(); }
  ~OnednnIsaTest() override {
    clear();
    if (!before_.empty()) ::setenv("ONEDNN_MAX_CPU_ISA", before_.c_str(), 1);
  }
  static void clear() {
    ::unsetenv("ONEDNN_MAX_CPU_ISA");
    ::unsetenv("DNNL_MAX_CPU_ISA");
  }

 private:
  std::string before_;
};

TEST_F(OnednnIsaTest, AmxIsLeftOutWithTheTorchThatFailsThere) {
  avoid_faulty_amx();
  EXPECT_EQ(onednn_isa_limit(), TORCH_VERSION_MAJOR < 2 ? "AVX512_CORE_BF16" : "");
}

TEST_F(OnednnIsaTest, ALimitOfTheUserStays) {
  ::setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
  avoid_faulty_amx();
  EXPECT_EQ(onednn_isa_limit(), "AVX2");
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", 1);
  EXPECT_EQ(onednn_isa_limit(), "AVX512_CORE");
}

}  // namespace
}  // namespace latgrad::profile
