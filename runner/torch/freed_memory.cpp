#include "freed_memory.h"

#include <malloc.h>

namespace latgrad::runner {

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);         // no block of its own mapping, which ends with the block
  ::mallopt(M_TRIM_THRESHOLD, -1);  // never shrink the heap
#endif
}

void renew_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace latgrad::runner
