// The shape functions, one per family of operators, and the table that says which type belongs to which.
// Each follows the Caffe2 operator of that name (caffe2/operators/).

#pragma once

#include <cstddef>
#include <string_view>

#include "op_context.h"

namespace latgrad::net::ops {

struct OperatorRule {
  std::string_view type;
  void (*infer)(OpContext&);
  size_t min_inputs;
  size_t max_inputs;
  size_t min_outputs;
  size_t max_outputs;
};

// Null for a type that shape inference does not know.
const OperatorRule* find_rule(std::string_view op_type);

// Whether an operator of that type reads an activation at input `index`, or may: behind the first input most
// have parameters only. False behind the first input of an unknown type.
bool may_read_activation(std::string_view op_type, size_t index);

void conv(OpContext& ctx);
void conv_sum(OpContext& ctx);
void conv_transpose(OpContext& ctx);
void pool(OpContext& ctx);
void pad_image(OpContext& ctx);
void fc(OpContext& ctx);
void fc_transposed(OpContext& ctx);
void matmul(OpContext& ctx);
void same_as_input(OpContext& ctx);
void prelu(OpContext& ctx);
void dropout(OpContext& ctx);
void equal_shapes(OpContext& ctx);
void broadcast(OpContext& ctx);
void compare(OpContext& ctx);
void concat(OpContext& ctx);
void split(OpContext& ctx);
void slice(OpContext& ctx);
void channel_shuffle(OpContext& ctx);
void resize(OpContext& ctx);
void upsample_nearest(OpContext& ctx);
void reshape(OpContext& ctx);
void resize_like(OpContext& ctx);
void prepend_dim(OpContext& ctx);
void merge_dim(OpContext& ctx);
void flatten(OpContext& ctx);
void flatten_to_vec(OpContext& ctx);
void squeeze(OpContext& ctx);
void expand_dims(OpContext& ctx);
void transpose(OpContext& ctx);
void nchw_to_nhwc(OpContext& ctx);
void nhwc_to_nchw(OpContext& ctx);
void quantize(OpContext& ctx);
void dequantize(OpContext& ctx);
void cast(OpContext& ctx);
void float_to_half(OpContext& ctx);
void spatial_bn(OpContext& ctx);
void affine_channel(OpContext& ctx);
void instance_norm(OpContext& ctx);
void group_norm(OpContext& ctx);
void layer_norm(OpContext& ctx);
void reduce(OpContext& ctx);
void reduce_front(OpContext& ctx);
void reduce_back(OpContext& ctx);
void fill(OpContext& ctx);

}  // namespace latgrad::net::ops
