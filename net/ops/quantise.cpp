// Operators that change the element type alone: Int8Quantize, Int8Dequantize, Cast, ...
// Source: caffe2/operators/{cast_op.cc,half_float_ops.cc}, quantized/int8_{quantize,dequantize}_op.h.

#include "data_type_argument.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

void quantize(OpContext& ctx) { ctx.add_output({ctx.activation(0).shape, DataType::kUint8}); }

void dequantize(OpContext& ctx) { ctx.add_output({ctx.activation(0).shape, DataType::kFloat}); }

void float_to_half(OpContext& ctx) { ctx.add_output({ctx.activation(0).shape, DataType::kFloat16}); }

void cast(OpContext& ctx) {
  const Argument* to = ctx.args().find("to");
  const auto dtype = to == nullptr ? std::nullopt : data_type_argument(*to);
  if (!dtype)
    ctx.fail_at_arg("to", "Cast must have an argument to with a number or name of TensorProto.DataType");
  ctx.add_output({ctx.activation(0).shape, *dtype});
  if (ctx.values(0) != nullptr) ctx.set_values(*ctx.values(0));
}

constexpr OperatorType kRows[] = {
    {.type = "Cast", .moves = true, .infer = cast},
    {.type = "FloatToHalf", .infer = float_to_half},
    {.type = "HalfToFloat", .infer = dequantize},
    {.type = "Int8Dequantize", .infer = dequantize},
    {.type = "Int8Quantize", .inputs = {1, 3}, .infer = quantize},
};

}  // namespace

std::span<const OperatorType> quantise_rows() { return kRows; }

}  // namespace latgrad::net::ops
