#include <algorithm>
#include <utility>

#include "latgrad/lut/error.h"
#include "latgrad/lut/net.h"
#include "shape/operators.h"

namespace latgrad::lut {
namespace {

bool reads_as_data(const Operator& op, std::string_view blob) {
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.inputs[i] == blob && shape::may_read_activation(op.type, i)) return true;
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

}  // namespace latgrad::lut
