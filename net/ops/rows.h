// The rows of the registry, one function a family; each family's file has its rules.

#pragma once

#include <span>

#include "latgrad/net/registry.h"
#include "op_context.h"

namespace latgrad::net::ops {

std::span<const OperatorType> activation_rows();
std::span<const OperatorType> conv_rows();
std::span<const OperatorType> detection_rows();
std::span<const OperatorType> elementwise_rows();
std::span<const OperatorType> fc_rows();
std::span<const OperatorType> fill_rows();
std::span<const OperatorType> join_rows();
std::span<const OperatorType> normalise_rows();
std::span<const OperatorType> pool_rows();
std::span<const OperatorType> quantise_rows();
std::span<const OperatorType> reduce_rows();
std::span<const OperatorType> reshape_rows();
std::span<const OperatorType> resize_rows();
std::span<const OperatorType> shape_rows();

// Parameter types and defaults that several families share.
inline constexpr DataType kQuantised[] = {DataType::kUint8};
inline constexpr DataType kQuantisedAndBias[] = {DataType::kUint8, DataType::kInt32};
inline constexpr DataType kIndices[] = {DataType::kInt32};
inline constexpr DataType kLengths[] = {DataType::kInt64};
inline constexpr DefaultArgument kAxisOne[] = {{"axis", int64_t{1}}};
inline constexpr DefaultArgument kNoAddedAxis[] = {{"add_axis", int64_t{0}}};

}  // namespace latgrad::net::ops
