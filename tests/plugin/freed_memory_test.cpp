#include "freed_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <memory>

namespace latgrad::profile {
namespace {

constexpr size_t kSize = size_t{64} << 20;

// Pages that the system had to provide while a block of kSize was taken, written and released.
long page_faults() {
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  std::unique_ptr<char[]> block(new char[kSize]);
  std::memset(block.get(), 1, kSize);
  volatile char last = block[kSize - 1];  // so that the block is really written
  (void)last;
  block.reset();
  ::getrusage(RUSAGE_SELF, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST(FreedMemoryTest, IsUsedAgain) {
#ifndef __GLIBC__
  GTEST_SKIP() << "only glibc can be told";
#endif
  EXPECT_GT(page_faults(), 16);  // its pages are new, 4 KB or 2 MB each
  keep_freed_memory();
  page_faults();
  EXPECT_LT(page_faults(), 16);
}

}  // namespace
}  // namespace latgrad::profile
