// JSON values in error messages.

#pragma once

#include <simdjson.h>

#include <string>

namespace latgrad::cli {

// The value as JSON; of a long one the beginning.
std::string quoted(simdjson::dom::element element);

}  // namespace latgrad::cli
