#include "latgrad/net/net.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/net/registry.h"

namespace latgrad::net {

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

std::vector<int64_t> to_integers(const Values& values) {
  constexpr double kBig = 9e18;
  std::vector<int64_t> integers;
  integers.reserve(values.size());
  for (const double value : values) {
    const bool fits = value > -kBig && value < kBig;
    integers.push_back(fits ? static_cast<int64_t>(value) : value > 0 ? INT64_MAX : INT64_MIN);
  }
  return integers;
}

bool Argument::operator==(const Argument& other) const = default;

std::vector<const Net*> Operator::subnets() const {
  std::vector<const Net*> subnets;
  for (const Argument& arg : args) {
    for (const Net& net : arg.nets) subnets.push_back(&net);
  }
  return subnets;
}

const Argument* Operator::find_arg(std::string_view arg_name) const {
  const auto it = std::ranges::find(args, arg_name, &Argument::name);
  return it == args.end() ? nullptr : &*it;
}

namespace {

bool reads_as_data(const Operator& op, std::string_view blob) {
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.inputs[i] != blob) continue;
    const OperatorType* row = find_operator_type(op.type);
    // Nobody knows what an operator of unknown type reads; behind the first input most have parameters.
    if (row == nullptr ? i == 0 : row->reads_activation(i)) return true;
  }
  return false;
}

}  // namespace

bool is_data_input(const Net& net, std::string_view blob) {
  for (const Operator& op : net.ops) {
    if (reads_as_data(op, blob)) return true;
    if (std::ranges::find(op.outputs, blob) != op.outputs.end()) return false;
  }
  return false;
}

namespace {

template <typename Blobs>
bool holds(const Blobs& blobs, std::string_view blob) {
  return std::ranges::find(blobs, blob) != blobs.end();
}

// Of an operator and of the networks in its arguments, in the order in which they run.
bool writes(const Operator& op, std::string_view blob) {
  return holds(op.outputs, blob) ||
         std::ranges::any_of(op.subnets(), [&](const Net* subnet) { return is_written(*subnet, blob); });
}
bool reads_first(const Operator& op, std::string_view blob) {
  return holds(op.inputs, blob) || std::ranges::any_of(op.subnets(), [&](const Net* subnet) {
           return is_read_from_outside(*subnet, blob);
         });
}

}  // namespace

bool is_read_from_outside(const Net& net, std::string_view blob) {
  for (const Operator& op : net.ops) {
    if (reads_first(op, blob)) return true;
    if (writes(op, blob)) return false;
  }
  return false;
}

bool is_written(const Net& net, std::string_view blob) {
  return std::ranges::any_of(net.ops, [&](const Operator& op) { return writes(op, blob); });
}

namespace {

void add_read(const Net& net, std::unordered_set<std::string_view>& read) {
  for (const Operator& op : net.ops) {
    read.insert(op.inputs.begin(), op.inputs.end());
    for (const Net* subnet : op.subnets()) add_read(*subnet, read);
  }
}

}  // namespace

std::vector<std::string> unread_parameters(const Net& net) {
  std::unordered_set<std::string_view> read;
  add_read(net, read);
  std::vector<std::string> unread;
  for (const auto& [blob, info] : net.parameters) {
    if (!read.contains(blob)) unread.push_back(blob);
  }
  return unread;
}

void set_input(Net& net, const std::string& blob, Shape shape, std::optional<DataType> dtype) {
  if (!is_read_from_outside(net, blob) && !is_written(net, blob)) {
    throw ValueError("an input must be a blob of the network, got one that no operator reads or writes",
                     {.file = net.source, .blob = blob});
  }
  net.parameters.erase(blob);
  net.parameter_values.erase(blob);
  TensorInfo& info = net.inputs[blob];
  info.shape = std::move(shape);
  if (dtype) info.dtype = *dtype;
}

}  // namespace latgrad::net
