#include "latgrad/lut/net.h"

#include <algorithm>
#include <utility>

namespace latgrad::lut {

Argument Argument::of_int(std::string name, int64_t value) {
  Argument arg;
  arg.name = std::move(name);
  arg.i = value;
  return arg;
}

Argument Argument::of_float(std::string name, float value) {
  Argument arg;
  arg.name = std::move(name);
  arg.f = value;
  return arg;
}

Argument Argument::of_string(std::string name, std::string value) {
  Argument arg;
  arg.name = std::move(name);
  arg.s = std::move(value);
  return arg;
}

const Argument* Operator::find_arg(std::string_view arg_name) const {
  const auto it = std::ranges::find(args, arg_name, &Argument::name);
  return it == args.end() ? nullptr : &*it;
}

}  // namespace latgrad::lut
