#include "key_encoding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "latgrad/net/arguments.h"
#include "latgrad/net/registry.h"
#include "latgrad/net/window.h"

namespace latgrad::lut {

uint64_t read_varint(const char*& at) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

namespace {

void append_signed(std::string& out, int64_t value) {
  append_varint(out, (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void append_string(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out.append(text);
}

// Equal values give equal bytes: 0.0 and -0.0 are one, and so is every NaN.
void append_float(std::string& out, float value) {
  if (value == 0) value = 0;
  if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

void append_ints(std::string& out, std::span<const int64_t> values) {
  append_varint(out, values.size());
  for (const int64_t value : values) append_signed(out, value);
}

void append_argument(std::string& out, const net::Argument& arg) {
  append_string(out, arg.name);
  if (arg.f) {
    out.push_back('f');
    append_float(out, *arg.f);
  }
  if (arg.i) {
    out.push_back('i');
    append_signed(out, *arg.i);
  }
  if (arg.s) {
    out.push_back('s');
    append_string(out, *arg.s);
  }
  if (!arg.floats.empty()) {
    out.push_back('F');
    append_varint(out, arg.floats.size());
    for (const float value : arg.floats) append_float(out, value);
  }
  if (!arg.ints.empty()) {
    out.push_back('I');
    append_ints(out, arg.ints);
  }
  if (!arg.strings.empty()) {
    out.push_back('S');
    append_varint(out, arg.strings.size());
    for (const std::string& text : arg.strings) append_string(out, text);
  }
  out.push_back('.');
}

// What chooses an algorithm or a memory and no result: exporters write these for whatever they make.
constexpr net::DefaultArgument kHints[] = {
    {"exhaustive_search", int64_t{0}}, {"cudnn_exhaustive_search", int64_t{0}},
    {"use_cudnn", int64_t{1}},         {"enable_tensor_core", int64_t{1}},
    {"deterministic", int64_t{0}},     {"float16_compute", int64_t{0}}};
constexpr std::string_view kNeverCounting[] = {"shared_buffer", "init_params", "no_gradient_to_input"};

constexpr net::DefaultArgument kWindowDefaults[] = {
    {"group", int64_t{1}}, {"legacy_pad", int64_t{0}}, {"global_pooling", int64_t{0}}};

bool has_lists(const net::Argument& arg) {
  return !arg.floats.empty() || !arg.ints.empty() || !arg.strings.empty() || !arg.nets.empty();
}

bool says(const net::Argument& arg, const net::DefaultArgument& entry) {
  if (arg.name != entry.name || has_lists(arg)) return false;
  if (const auto* i = std::get_if<int64_t>(&entry.value)) return arg.i == *i && !arg.f && !arg.s;
  if (const auto* f = std::get_if<float>(&entry.value)) return arg.f == *f && !arg.i && !arg.s;
  return arg.s == std::get<std::string_view>(entry.value) && !arg.i && !arg.f;
}

bool is_among(const net::Argument& arg, std::span<const net::DefaultArgument> defaults) {
  return std::ranges::any_of(defaults, [&](const net::DefaultArgument& entry) { return says(arg, entry); });
}

// `row` is that of the type: asked for once an operator.
bool is_default(const net::Argument& arg, std::string_view op_type, const net::OperatorType* row) {
  if (arg.name == "order") {
    return arg.s == to_string(net::default_order(op_type)) && !arg.i && !arg.f && !has_lists(arg);
  }
  if (row != nullptr && (is_among(arg, row->defaults) ||
                         (row->window != net::WindowKind::kNone && is_among(arg, kWindowDefaults)))) {
    return true;
  }
  return is_among(arg, kHints);
}

// Different arguments of one name, which Caffe2 refuses. All of them count, in an order that does not depend
// on theirs, so that such an operator only equals another one that is as odd.
void append_contradiction(std::string& out, std::span<const net::Argument* const> args) {
  std::vector<std::string> encodings;
  for (const net::Argument* arg : args) append_argument(encodings.emplace_back(), *arg);
  std::ranges::sort(encodings);
  encodings.erase(std::ranges::unique(encodings).begin(), encodings.end());
  for (const std::string& encoding : encodings) out.append(encoding);
}

}  // namespace

bool is_default(const net::Argument& arg, std::string_view op_type) {
  return is_default(arg, op_type, net::find_operator_type(op_type));
}

bool is_output_scale(const net::Argument& arg) { return arg.name == "Y_scale" || arg.name == "Y_zero_point"; }

bool mentions_workspace(const net::Argument& arg) {
  // The text of an argument holds its strings in quotes and escapes none of these letters, so
  // searching the strings finds what searching the text would.
  const auto mentions = [](std::string_view text) {
    return text.find("ws_nbytes_limit") != std::string_view::npos;
  };
  return mentions(arg.name) || (arg.s && mentions(*arg.s)) || std::ranges::any_of(arg.strings, mentions);
}

bool never_counts(const net::Argument& arg) {
  return is_output_scale(arg) || mentions_workspace(arg) ||
         std::ranges::find(kNeverCounting, arg.name) != std::end(kNeverCounting);
}

void append_arguments(std::string& out, std::string_view op_type, std::span<const net::Argument> args) {
  std::vector<const net::Argument*> counted;
  counted.reserve(args.size());
  for (const net::Argument& arg : args) {
    if (!never_counts(arg)) counted.push_back(&arg);
  }
  std::ranges::sort(counted, {}, &net::Argument::name);
  const auto repeats = [](const net::Argument* one, const net::Argument* other) { return *one == *other; };
  counted.erase(std::unique(counted.begin(), counted.end(), repeats), counted.end());
  const net::OperatorType* row = net::find_operator_type(op_type);
  if (row != nullptr && row->window != net::WindowKind::kNone) {
    const net::Window window = net::read_window(row->window, counted);
    append_ints(out, window.kernels);
    append_ints(out, window.strides);
    append_ints(out, window.dilations);
    append_ints(out, window.pads);
    append_ints(out, window.adjs);
    for (const net::Argument*& arg : counted) {
      if (window.consumed[&arg - counted.data()]) arg = nullptr;
    }
    std::erase(counted, nullptr);
  }
  for (size_t begin = 0; begin < counted.size();) {
    size_t end = begin + 1;
    while (end < counted.size() && counted[end]->name == counted[begin]->name) ++end;
    if (end - begin > 1) {
      append_contradiction(out, std::span(counted).subspan(begin, end - begin));
    } else if (!is_default(*counted[begin], op_type, row)) {
      append_argument(out, *counted[begin]);
    }
    begin = end;
  }
}

void append_inputs(std::string& out, std::span<const net::Shape> shapes,
                   std::span<const net::DataType> dtypes) {
  append_varint(out, shapes.size());
  for (const net::Shape& shape : shapes) {
    append_varint(out, shape.size());
    for (const int64_t dim : shape) append_varint(out, static_cast<uint64_t>(dim));
  }
  append_varint(out, dtypes.size());
  for (const net::DataType dtype : dtypes) append_varint(out, static_cast<uint32_t>(dtype));
}

void read_inputs(std::string_view bytes, std::vector<net::Shape>& shapes,
                 std::vector<net::DataType>& dtypes) {
  const char* at = bytes.data();
  shapes.resize(read_varint(at));
  for (net::Shape& shape : shapes) {
    shape.resize(read_varint(at));
    for (int64_t& dim : shape) dim = static_cast<int64_t>(read_varint(at));
  }
  dtypes.resize(read_varint(at));
  for (net::DataType& dtype : dtypes) dtype = static_cast<net::DataType>(read_varint(at));
}

}  // namespace latgrad::lut
