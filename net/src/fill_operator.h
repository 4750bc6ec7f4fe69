// Operators that make a tensor from their arguments alone: what init nets consist of.

#pragma once

#include <optional>
#include <string_view>

#include "latgrad/base/error.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// `GivenTensorFill`, `ConstantFill`, ...: whether the type fills at all.
bool is_fill_operator(std::string_view op_type);

// What a fill operator writes; `input` is the shape and type of its first input where it has one, which gives
// the shape. Precondition: is_fill_operator(op.type).
// Errors: NetError at `place` for a shape that is not valid, an unknown dtype, a shape that only
// the values of an input tell.
// Source: caffe2/operators/filler_op.h, given_tensor_fill_op.h, quantized/int8_given_tensor_fill_op.h.
TensorInfo fill_operator_output(const Operator& op, const std::optional<TensorInfo>& input,
                                const Place& place);

}  // namespace latgrad::net
