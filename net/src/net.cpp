#include "latgrad/net/net.h"

#include <algorithm>
#include <utility>

#include "latgrad/base/error.h"
#include "operators.h"

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

const Argument* Operator::find_arg(std::string_view arg_name) const {
  const auto it = std::ranges::find(args, arg_name, &Argument::name);
  return it == args.end() ? nullptr : &*it;
}

namespace {

bool reads_as_data(const Operator& op, std::string_view blob) {
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.inputs[i] == blob && ops::may_read_activation(op.type, i)) return true;
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

void set_input(Net& net, const std::string& blob, Shape shape, std::optional<DataType> dtype) {
  if (!is_data_input(net, blob)) {
    throw ValueError("an input must be a blob that the network takes from outside and reads as data",
                     {.file = net.source, .blob = blob});
  }
  net.parameters.erase(blob);
  TensorInfo& info = net.inputs[blob];
  info.shape = std::move(shape);
  if (dtype) info.dtype = *dtype;
}

}  // namespace latgrad::net
