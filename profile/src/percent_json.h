// Relative errors, in JSON: percents, as everywhere in latgrad's JSON.

#pragma once

#include <optional>

#include "latgrad/base/json.h"

namespace latgrad::profile {

// 0.0312 as 3.12; null for nothing.
inline base::Json percent_or_null(const std::optional<double>& fraction) {
  return fraction ? base::Json(base::rounded(100 * *fraction, 2)) : base::Json();
}

}  // namespace latgrad::profile
