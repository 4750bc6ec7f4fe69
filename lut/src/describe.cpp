#include "latgrad/lut/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "key_encoding.h"
#include "latgrad/lut/operator_key.h"
#include "latgrad/net/registry.h"
#include "latgrad/net/window.h"

namespace latgrad::lut {

namespace {

std::string compact(const net::Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

// `3` for a square window, `3x5` for any other.
std::string compact_sides(std::span<const int64_t> sides) {
  if (std::ranges::all_of(sides, [&](int64_t side) { return side == sides[0]; })) {
    return fmt::to_string(sides[0]);
  }
  return fmt::format("{}", fmt::join(sides, "x"));
}

std::string compact(const net::Argument& arg) {
  std::vector<std::string> values;
  if (arg.f) values.push_back(fmt::to_string(*arg.f));
  if (arg.i) values.push_back(fmt::to_string(*arg.i));
  if (arg.s) values.push_back(*arg.s);
  if (!arg.floats.empty()) values.push_back(fmt::format("[{}]", fmt::join(arg.floats, ",")));
  if (!arg.ints.empty()) values.push_back(fmt::format("[{}]", fmt::join(arg.ints, ",")));
  if (!arg.strings.empty()) values.push_back(fmt::format("[{}]", fmt::join(arg.strings, ",")));
  return fmt::format("{}={}", arg.name, fmt::join(values, ","));
}

}  // namespace

std::string describe(const OperatorKey& key) {
  std::string line = key.op_type;
  const net::WindowKind kind = net::window_kind(key.op_type);
  const bool with_window = kind != net::WindowKind::kNone;
  for (size_t i = 0; i < key.input_shapes.size(); ++i) {
    if (with_window && i == 2) break;  // the bias repeats what the weight says
    line += with_window && i == 1 ? " w" : " ";
    line += compact(key.input_shapes[i]);
  }
  std::vector<const net::Argument*> args;
  for (const net::Argument& arg : key.args) {
    if (!never_counts(arg) && !is_default(arg, key.op_type)) args.push_back(&arg);
  }
  if (with_window) {
    const net::Window window = net::read_window(kind, args);
    if (!window.covers_image) {
      line += fmt::format(" k{} s{} p{}", compact_sides(window.kernels), compact_sides(window.strides),
                          compact_sides(window.pads));
    }
    if (compact_sides(window.dilations) != "1") line += fmt::format(" d{}", compact_sides(window.dilations));
    for (const net::Argument*& arg : args) {
      if (window.consumed[&arg - args.data()]) arg = nullptr;
    }
    std::erase(args, nullptr);
  }
  for (const net::Argument* arg : args) {
    if (with_window && *arg == net::Argument::of_int("group", arg->i.value_or(0))) {
      line += fmt::format(" g{}", *arg->i);
    } else {
      line += fmt::format(" {}", compact(*arg));
    }
  }
  return line;
}

}  // namespace latgrad::lut
