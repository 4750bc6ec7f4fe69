// What a run's reference was and is, in the JSON of reports.

#pragma once

#include <optional>

#include "latgrad/base/json.h"
#include "latgrad/profile/reference.h"

namespace latgrad::profile {

// null for none.
inline base::Json reference_json(const std::optional<Reference>& reference, double now_us) {
  if (!reference) return nullptr;
  return {{"name", reference->name},
          {"time_us", base::rounded(reference->time_us, 3)},
          {"now_us", base::rounded(now_us, 3)}};
}

}  // namespace latgrad::profile
