// Everything that latgrad knows about operator types, one row per type.
//
//   const OperatorType* conv = find_operator_type("Int8Conv");
//   conv->reads_activation(1);        // false: the weight is a parameter
//   conv->parameter_type(2);          // int32: the bias
//
// Used by shape inference, operator keys, the readers of networks and the kernels of the runner. For a new
// type see docs/adding-an-operator.md. O(1); thread-safe: the rows never change.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <variant>

#include "latgrad/net/tensor_info.h"

namespace latgrad::net {

namespace ops {
class OpContext;
}

// How many inputs or outputs.
struct Count {
  size_t least = 1;
  size_t most = 1;
};
inline constexpr size_t kAny = std::numeric_limits<size_t>::max();

// Which inputs are activations: bit i stands for input i, the last bit also for all later inputs. The
// others are parameters.
using InputSet = uint32_t;
inline constexpr InputSet kFirst = 1;
inline constexpr InputSet kAll = ~InputSet{0};

enum class WindowKind {
  kNone,
  kImage,       // slides over the input: convolutions and pools
  kTransposed,  // over the output
};

// The value of an argument that has the same meaning as leaving it out.
struct DefaultArgument {
  std::string_view name;
  std::variant<int64_t, float, std::string_view> value;
};

struct OperatorType {
  std::string_view type;
  Count inputs = {};
  Count outputs = {};
  InputSet activations = kFirst;
  // By input, from input 1 on; the last entry also stands for all later inputs. Empty: float.
  std::span<const DataType> parameter_types = {};
  std::span<const DefaultArgument> defaults = {};
  WindowKind window = WindowKind::kNone;
  bool multiplies = false;  // convolutions and matrix products: what multiply-accumulates count
  bool moves = false;       // the same elements, of data or of a parameter: copies, casts, other shapes
  bool is_view = false;     // the same elements in the same order and memory: other shapes of a tensor
  bool is_fill = false;     // writes values that the network carries in itself
  // The type whose record, of the same arguments and shapes, prices an operator without one. Empty: none.
  // Source: the published LUT tool.
  std::string_view stand_in = {};
  // Another type that computes the same of inputs of one shape: its record prices the operator, too. Empty:
  // none.
  std::string_view twin = {};
  // Shapes, types, multiply-accumulates and known values of the outputs.
  void (*infer)(ops::OpContext& ctx) = nullptr;

  bool reads_activation(size_t input) const;
  DataType parameter_type(size_t input) const;
};

// Null for a type that is not known.
const OperatorType* find_operator_type(std::string_view type);

// Every row, family by family.
std::span<const OperatorType* const> operator_types();

// kNone for a type that is not known.
WindowKind window_kind(std::string_view op_type);

}  // namespace latgrad::net
