#include "freed_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>

namespace latgrad::runner {
namespace {

constexpr size_t kSize = size_t{64} << 20;

// Pages that the system had to provide while a block of kSize was taken, written and released.
long page_faults() {
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  void* block = std::malloc(kSize);
  // Volatile, so that no compiler leaves out a block that nobody reads.
  for (size_t i = 0; i < kSize; i += 4096) static_cast<volatile char*>(block)[i] = 1;
  std::free(block);
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
}  // namespace latgrad::runner
