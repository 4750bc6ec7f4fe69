// A candidate whose operators the space file writes out.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "expression.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/registry.h"
#include "space_fragments.h"

namespace latgrad::search::internal {
namespace {

constexpr int kMaxWrittenOperators = 1024;
constexpr int kMaxDimensions = 8;

net::Shape with_batch(net::Shape shape, const BlockPlace& place) {
  shape.insert(shape.begin(), place.space.input().batch());
  return shape;
}

Variables variables_of(const BlockPlace& place) {
  const LayerInfo& layer = place.layer;
  Variables variables = {{"batch", place.space.input().batch()}, {"in_channels", layer.in_channels},
                         {"out_channels", layer.out_channels},   {"in_height", layer.in_height},
                         {"in_width", layer.in_width},           {"out_height", layer.out_height},
                         {"out_width", layer.out_width},         {"stride", layer.stride}};
  if (layer.tokens > 0) variables["tokens"] = layer.tokens;
  return variables;
}

// Names become those of blobs and of modules.
void check_name(const std::string& name, const BlockPlace& place) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0 ||
      !std::ranges::all_of(name, is_part)) {
    place.fail(fmt::format("a blob must be named by letters, digits and _, got \"{}\"", name));
  }
}

net::Argument argument_of(const proto::Operators::Argument& written, const Variables& variables) {
  const int given = (written.has_value() ? 1 : 0) + (written.has_f() ? 1 : 0) + (written.has_s() ? 1 : 0) +
                    (written.values_size() > 0 ? 1 : 0) + (written.floats_size() > 0 ? 1 : 0);
  if (written.name().empty() || given != 1) {
    throw ValueError(fmt::format(
        "an argument must have a name and one of value, values, f, s and floats, got {} of them for \"{}\"",
        given, written.name()));
  }
  net::Argument argument;
  argument.name = written.name();
  if (written.has_value()) argument.i = evaluate(written.value(), variables);
  if (written.has_f()) argument.f = written.f();
  if (written.has_s()) argument.s = written.s();
  for (const std::string& value : written.values()) argument.ints.push_back(evaluate(value, variables));
  argument.floats.assign(written.floats().begin(), written.floats().end());
  return argument;
}

net::Operator operator_of(const proto::Operators::Operator& written, const Variables& variables,
                          const BlockPlace& place) {
  if (net::find_operator_type(written.type()) == nullptr) {
    place.fail(fmt::format("an operator must be of a type that is known, got \"{}\"", written.type()));
  }
  if (written.input_size() == 0 || written.output_size() == 0) {
    place.fail(fmt::format("the operator {} must have an input and an output", written.type()));
  }
  net::Operator op;
  op.type = written.type();
  op.inputs.assign(written.input().begin(), written.input().end());
  op.outputs.assign(written.output().begin(), written.output().end());
  for (const proto::Operators::Argument& argument : written.arg()) {
    op.args.push_back(argument_of(argument, variables));
  }
  return op;
}

// A weight is a parameter: what an earlier operator computes cannot be one.
void check_parameters(const Fragment& fragment, const net::Operator& op, const BlockPlace& place) {
  const net::OperatorType& type = *net::find_operator_type(op.type);
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (!type.reads_activation(i) && !fragment.parameters.contains(op.inputs[i])) {
      place.fail(fmt::format("input {} of {} must be a parameter, got \"{}\"", i, op.type, op.inputs[i]));
    }
  }
}

Fragment written_fragment(const proto::Operators& operators, const BlockPlace& place) {
  const Variables variables = variables_of(place);
  Fragment fragment;
  for (const proto::Operators::Parameter& parameter : operators.parameter()) {
    check_name(parameter.name(), place);
    if (parameter.name() == fragment.input || parameter.shape_size() == 0 ||
        parameter.shape_size() > kMaxDimensions) {
      place.fail(
          fmt::format("a parameter must have a name of its own and from 1 to {} dimensions, got \"{}\"",
                      kMaxDimensions, parameter.name()));
    }
    net::Shape shape;
    for (const std::string& dimension : parameter.shape()) shape.push_back(evaluate(dimension, variables));
    if (std::ranges::any_of(shape, [](int64_t size) { return size < 1; })) {
      place.fail(fmt::format("the dimensions of a parameter must be at least 1, got {} for {}",
                             net::to_string(shape), parameter.name()));
    }
    if (!fragment.parameters
             .emplace(parameter.name(), net::TensorInfo{std::move(shape), net::DataType::kFloat})
             .second) {
      place.fail(fmt::format("parameters must have different names, got \"{}\" twice", parameter.name()));
    }
  }
  std::set<std::string> written = {fragment.input};
  std::set<std::string> read;
  for (const proto::Operators::Operator& op : operators.op()) {
    fragment.ops.push_back(operator_of(op, variables, place));
    for (const std::string& blob : op.input()) {
      if (!written.contains(blob) && !fragment.parameters.contains(blob)) {
        place.fail(fmt::format(
            "an operator must read \"in\", a parameter or what an earlier one writes, got \"{}\"", blob));
      }
      read.insert(blob);
    }
    check_parameters(fragment, fragment.ops.back(), place);
    for (const std::string& blob : op.output()) {
      check_name(blob, place);
      if (fragment.parameters.contains(blob) || !written.insert(blob).second) {
        place.fail(fmt::format("an operator must write a blob of its own, got \"{}\" twice", blob));
      }
    }
    if (!op.batch_norm()) fragment.without_norm.insert(op.output(0));
    fragment.output = op.output(0);
  }
  for (const auto& [name, info] : fragment.parameters) {
    if (!read.contains(name))
      place.fail(fmt::format("an operator must read each parameter, got \"{}\" unread", name));
  }
  return fragment;
}

// False in a chain where the operators keep other channels than the layer is to write.
// Errors: where shapes do not fit together, or the result is not what the next layer reads.
bool shapes_fit(const Fragment& fragment, const BlockPlace& place) {
  net::Net net;
  net.name = place.field;
  net.source = place.source;
  net.ops = fragment.ops;
  net.inputs[fragment.input] = {with_batch(place.layer.in_shape(), place), net::DataType::kFloat};
  net.external_inputs = {fragment.input};
  for (const auto& [name, info] : fragment.parameters) {
    net.parameters[name] = info;
    net.external_inputs.push_back(name);
  }
  net.external_outputs = {fragment.output};
  const net::NetShapes shapes = net::infer_shapes(net);
  const net::Shape result = fragment.ops.empty() ? with_batch(place.layer.in_shape(), place)
                                                 : shapes.ops.back().outputs.front().shape;
  if (result == with_batch(place.layer.out_shape(), place)) return true;
  LayerInfo kept = place.layer;
  kept.out_channels = kept.in_channels;
  if (place.is_chain && result == with_batch(kept.out_shape(), place)) return false;
  place.fail(fmt::format("the operators must write what the next layer reads, {}, got {}",
                         net::to_string(with_batch(place.layer.out_shape(), place)), net::to_string(result)));
}

}  // namespace

std::optional<Fragment> generate_written(const proto::Operators& operators, const BlockPlace& place) {
  if (operators.op_size() > kMaxWrittenOperators) {
    place.fail(fmt::format("a candidate must have at most {} operators, got {}", kMaxWrittenOperators,
                           operators.op_size()));
  }
  try {
    Fragment fragment = written_fragment(operators, place);
    if (!shapes_fit(fragment, place)) return std::nullopt;
    return fragment;
  } catch (const Error& error) {
    if (error.place().field == place.field) throw;
    place.fail(error.what());
  }
}

}  // namespace latgrad::search::internal
