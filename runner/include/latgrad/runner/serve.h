// The runner's side of the protocol: reads requests, has a Runner measure, writes replies.
//
//   TorchRunner runner;
//   serve(std::cin, std::cout, runner);     // until the planner closes its end
//
// Every request gets one reply; a request that cannot be served gets the reason as an error, and the next one
// is read.

#pragma once

#include <istream>
#include <ostream>

#include "latgrad/runner/runner.h"

namespace latgrad::runner {

// Returns at the end of `in`. Errors: IoError when `out` cannot be written.
void serve(std::istream& in, std::ostream& out, Runner& runner);

}  // namespace latgrad::runner
