// An operator made ready to run, or the reason why it cannot be.

#pragma once

#include <functional>
#include <string>
#include <variant>

#include "latgrad/lut/operator_key.h"

namespace latgrad::profile {

// Runs an operator once on inputs that it owns.
using Call = std::function<void()>;

// Why an operator cannot be measured.
struct Unsupported {
  std::string reason;
};

using Prepared = std::variant<Call, Unsupported>;

// Never throws for an operator that cannot be run.
using Prepare = std::function<Prepared(const lut::OperatorKey&)>;

}  // namespace latgrad::profile
