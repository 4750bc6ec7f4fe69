// Short names for keys and chains, as the tests of the runner write them.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "chain.h"

namespace latgrad::profile {

inline lut::Argument arg(const char* name, int64_t value) { return lut::Argument::of_int(name, value); }
inline lut::Argument real(const char* name, float value) { return lut::Argument::of_float(name, value); }
inline lut::Argument ints(const char* name, std::vector<int64_t> values) {
  lut::Argument list;
  list.name = name;
  list.ints = std::move(values);
  return list;
}
inline lut::Argument nhwc() { return lut::Argument::of_string("order", "NHWC"); }

// Sources left out are outside.
inline ChainOperator link(std::string op_type, std::vector<lut::Argument> args,
                          std::vector<lut::Shape> shapes, std::vector<int> sources = {}) {
  sources.resize(shapes.size(), kOutside);
  return {{std::move(op_type), std::move(args), std::move(shapes), {}}, std::move(sources)};
}

}  // namespace latgrad::profile
