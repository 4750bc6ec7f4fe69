// Compiles the file that HWY_TARGET_INCLUDE names once for each instruction set. Included by that file alone,
// hence without a guard of its own.

// Vectors of a length that is unknown when compiling do not halve.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#include <hwy/foreach_target.h>
