// Shapes that stretch to each other as numpy's do.

#pragma once

#include <string_view>

#include "op_context.h"

namespace latgrad::net::ops {

// Throws a NetError: the rule, and the shapes of both inputs.
[[noreturn]] void fail_to_fit(const OpContext& ctx, std::string_view rule);

// Each dimension must be equal or 1 on one side, counted from the back.
Shape broadcast_shapes(const OpContext& ctx, const Shape& a, const Shape& b);

}  // namespace latgrad::net::ops
