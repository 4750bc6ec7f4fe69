// Short names for keys and chains, as the tests of the runner write them.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "latgrad/runner/chain.h"

namespace latgrad::runner {

inline net::Argument arg(const char* name, int64_t value) { return net::Argument::of_int(name, value); }
inline net::Argument real(const char* name, float value) { return net::Argument::of_float(name, value); }
inline net::Argument ints(const char* name, std::vector<int64_t> values) {
  net::Argument list;
  list.name = name;
  list.ints = std::move(values);
  return list;
}
inline net::Argument nhwc() { return net::Argument::of_string("order", "NHWC"); }

// Sources left out are outside.
inline ChainOperator link(std::string op_type, std::vector<net::Argument> args,
                          std::vector<net::Shape> shapes, std::vector<int> sources = {}) {
  sources.resize(shapes.size(), kOutside);
  return {{std::move(op_type), std::move(args), std::move(shapes), {}}, std::move(sources)};
}

}  // namespace latgrad::runner
