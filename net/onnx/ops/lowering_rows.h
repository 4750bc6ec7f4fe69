// How each ONNX operator type is said in latgrad's vocabulary, one row per type, family by family. Source:
// the operator schemas of ONNX, from opset 7 on.

#pragma once

#include <span>
#include <string_view>

#include "onnx_node.h"

namespace latgrad::net::onnx_ops {

struct LoweringRow {
  std::string_view type;    // ONNX's, behind its domain where that is another one
  std::string_view target;  // latgrad's; for readers alone where the rule decides
  void (*lower)(OnnxNode& node, std::string_view target);
};

std::span<const LoweringRow> activation_lowering();
std::span<const LoweringRow> conv_lowering();
std::span<const LoweringRow> elementwise_lowering();
std::span<const LoweringRow> fc_lowering();
std::span<const LoweringRow> join_lowering();
std::span<const LoweringRow> normalise_lowering();
std::span<const LoweringRow> pool_lowering();
std::span<const LoweringRow> quantise_lowering();
std::span<const LoweringRow> reduce_lowering();
std::span<const LoweringRow> reshape_lowering();
std::span<const LoweringRow> resize_lowering();
std::span<const LoweringRow> fill_lowering();

// Null for a type that has no row. O(1).
const LoweringRow* find_lowering_row(std::string_view type);
// Every row, family by family.
std::vector<const LoweringRow*> lowering_rows();

// The same inputs and outputs under another name.
void rename(OnnxNode& node, std::string_view target);

}  // namespace latgrad::net::onnx_ops
