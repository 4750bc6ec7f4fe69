#include "latgrad/runner/runner.h"

namespace latgrad::runner {

Loaded Runner::load(const LoadRequest&) {
  throw RunnerError("this runner times operators, not whole networks");
}

NetworkTimes Runner::time(const TimeRequest&) {
  throw RunnerError("this runner times operators, not whole networks");
}

}  // namespace latgrad::runner
