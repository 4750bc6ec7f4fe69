// What the process does with the memory of activations that are released.

#pragma once

namespace latgrad::runner {

// From now on freed memory stays with the process and is used again. By default the C library gives large
// blocks back to the system now and then, and the next activation pays for its pages anew: several
// milliseconds, in some runs of a network and not in others. For the whole process; does nothing where the C
// library is not glibc.
void keep_freed_memory();

}  // namespace latgrad::runner
