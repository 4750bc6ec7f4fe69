// The operators that a table lacks, as JSON.

#pragma once

#include "latgrad/base/json.h"
#include "latgrad/lut/missing_operators.h"

namespace latgrad::lut {

// A list. Each entry is a valid query for `latgrad op --stdin`.
base::Json missing_json(const MissingOperators& missing);

}  // namespace latgrad::lut
