// What the process does with the memory of activations that are released.

#pragma once

namespace latgrad::runner {

// From now on freed memory stays with the process and is used again. By default the C library gives large
// blocks back to the system now and then, and the next activation pays for its pages anew: several
// milliseconds, in some runs of a network and not in others. For the whole process; does nothing where the C
// library is not glibc.
void keep_freed_memory();

// Gives all free memory back, so that what comes next gets other pages. Which pages a tensor lies in decides
// what it displaces from the caches: kept for a whole run, they would make one run of the process slower than
// the next by several percent in what moves much memory.
void renew_memory();

}  // namespace latgrad::runner
