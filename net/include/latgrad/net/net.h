// The common representation of networks in latgrad.
//
// The NetDef reader (netdef.h) and search::lower produce it, infer_shapes and estimate consume it, and the
// NetDef writer writes it:
//
//   Net net = read_net("FBNet-A/int8");                // model.pb or model.pbtxt, init net next to it
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

struct Net;

// Caffe2's Argument: a name and usually one of the values.
struct Argument {
  std::string name;
  std::optional<float> f;
  std::optional<int64_t> i;
  std::optional<std::string> s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<Net> nets;  // subnets: of If, While

  static Argument of_int(std::string name, int64_t value);
  static Argument of_float(std::string name, float value);
  static Argument of_string(std::string name, std::string value);

  bool operator==(const Argument& other) const;
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
  // The networks in its arguments.
  std::vector<const Net*> subnets() const;

  bool operator==(const Operator&) const = default;
};

// The elements of a small tensor that are known without running the network, in order: shapes, bounds of
// slices, scales. A double holds every dimension exactly.
using Values = std::vector<double>;
// Longer tensors are not followed.
inline constexpr size_t kMaxValues = 128;
// As 64-bit integers; what is greater, as ends of slices often are, becomes the greatest.
std::vector<int64_t> to_integers(const Values& values);

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
  // The values of small parameters, which may be a shape or the like.
  std::map<std::string, Values, std::less<>> parameter_values;
  // Parameters that an init net creates with an operator without a known shape, and that operator: `op 1
  // "Load" of init.pb`.
  std::map<std::string, std::string, std::less<>> unfilled_parameters;
  // Values of an ONNX file that no operator writes: those that follow from parameters and shapes alone,
  // second names of other blobs, and what lies between nodes that one operator stands for. Those that an
  // operator reads are parameters as well.
  std::map<std::string, TensorInfo, std::less<>> constants;
  // Whether the file tells parameters from inputs, as ONNX does: an init net may hold a placeholder of an
  // input.
  bool has_exact_parameters = false;
  // Shapes and types of the data inputs, by blob name.
  std::map<std::string, TensorInfo, std::less<>> inputs;
  // Where it was read from, for error messages; not part of the network.
  std::string source;

  bool operator==(const Net&) const = default;
};

// Whether `blob` is a data input: the network takes it from outside (listed or not), and some operator reads
// it as an activation: as its first input, or as any input of Sum, Mul, Concat and the like.
bool is_data_input(const Net& net, std::string_view blob);

// Whether an operator reads `blob` before any writes it.
bool is_read_from_outside(const Net& net, std::string_view blob);
bool is_written(const Net& net, std::string_view blob);

// Parameters that no operator reads, subnets included, in alphabetical order. They suggest that the network
// was cut off, by its author or by an incomplete download.
std::vector<std::string> unread_parameters(const Net& net);

// Sets the shape of a blob that the network takes from outside, or that an operator with unknown output
// shapes writes; also sets its type unless the network's own type applies. Takes precedence over a fill of
// that name in the init net, where exporters write a placeholder. Errors: ValueError naming the blob if no
// operator reads or writes it.
void set_input(Net& net, const std::string& blob, Shape shape, std::optional<DataType> dtype = std::nullopt);

}  // namespace latgrad::net
