#include "broadcast.h"

#include <fmt/format.h>

namespace latgrad::net::ops {

void fail_to_fit(const OpContext& ctx, std::string_view rule) {
  ctx.fail_at_input(1, fmt::format("{}, got {} and {}", rule, to_string(ctx.activation(0).shape),
                                   to_string(ctx.activation(1).shape)));
}

Shape broadcast_shapes(const OpContext& ctx, const Shape& a, const Shape& b) {
  Shape out = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const size_t offset = out.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& dim = out[offset + i];
    if (dim == 1) {
      dim = shorter[i];
    } else if (shorter[i] != 1 && shorter[i] != dim) {
      fail_to_fit(ctx, "the shapes must be equal or broadcast");
    }
  }
  return out;
}

}  // namespace latgrad::net::ops
