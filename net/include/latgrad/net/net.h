// The one network form inside latgrad.
//
// The NetDef reader (netdef.h) and search::lower produce it, infer_shapes and
// estimate eat it, the NetDef writer emits it:
//
//   Net net = read_net("FBNet-A/int8");                // model.pb or model.pbtxt, init net beside it
//   net.inputs["data"] = {{1, 3, 224, 224}, DataType::kFloat};
//   auto shapes = infer_shapes(net);
//
// A plain value: copy it, change it, compare it. Not synchronised.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/tensor_info.h"

namespace latgrad::net {

// Caffe2's Argument: a name and usually one of the values.
struct Argument {
  std::string name;
  std::optional<float> f;
  std::optional<int64_t> i;
  std::optional<std::string> s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;

  static Argument of_int(std::string name, int64_t value);
  static Argument of_float(std::string name, float value);
  static Argument of_string(std::string name, std::string value);

  bool operator==(const Argument&) const = default;
};

struct DeviceOption {
  std::optional<int> device_type;
  std::optional<int> device_id;
  std::optional<uint32_t> random_seed;

  bool operator==(const DeviceOption&) const = default;
};

struct Operator {
  std::string type;  // "Int8ConvRelu"
  std::string name;
  std::string engine;
  std::vector<std::string> inputs;   // blob names; may repeat in outputs (in place)
  std::vector<std::string> outputs;  // blob names
  std::vector<Argument> args;        // in file order
  std::vector<std::string> control_inputs;
  std::optional<DeviceOption> device_option;
  bool is_gradient_op = false;

  // The argument of that name, or null. Linear; an operator has few arguments.
  const Argument* find_arg(std::string_view arg_name) const;

  bool operator==(const Operator&) const = default;
};

struct Net {
  std::string name;
  std::string type;  // "dag", "simple", usually empty
  std::optional<int> num_workers;
  std::optional<DeviceOption> device_option;
  std::vector<Argument> args;
  std::vector<Operator> ops;  // in execution order
  std::vector<std::string> external_inputs;
  std::vector<std::string> external_outputs;

  // Shapes and types of the parameters (never their values), by blob name.
  std::map<std::string, TensorInfo, std::less<>> parameters;
  // Shapes and types of the data inputs, by blob name.
  std::map<std::string, TensorInfo, std::less<>> inputs;
  // Where it was read from, for error messages; not part of the network.
  std::string source;
};

// Whether `blob` is a data input: the network takes it from outside (listed or not), and some operator reads
// it where activations stand: as its first input, or as any input of Sum, Mul, Concat and their kin.
bool is_data_input(const Net& net, std::string_view blob);

// Says what shape, and unless the network's own holds what type, a data input has. It wins over a fill of
// that name in the init net: exporters write a placeholder there.
// Errors: ValueError naming the blob where is_data_input is false.
void set_input(Net& net, const std::string& blob, Shape shape, std::optional<DataType> dtype = std::nullopt);

}  // namespace latgrad::net
