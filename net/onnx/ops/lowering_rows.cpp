#include "lowering_rows.h"

#include <unordered_map>

namespace latgrad::net::onnx_ops {

std::vector<const LoweringRow*> lowering_rows() {
  std::vector<const LoweringRow*> rows;
  for (const std::span<const LoweringRow> family :
       {activation_lowering(), conv_lowering(), elementwise_lowering(), fc_lowering(), fill_lowering(),
        join_lowering(), normalise_lowering(), pool_lowering(), quantise_lowering(), reduce_lowering(),
        reshape_lowering(), resize_lowering()}) {
    for (const LoweringRow& row : family) rows.push_back(&row);
  }
  return rows;
}

const LoweringRow* find_lowering_row(std::string_view type) {
  static const auto* const rows = [] {
    auto* by_type = new std::unordered_map<std::string_view, const LoweringRow*>;
    for (const LoweringRow* row : lowering_rows()) by_type->emplace(row->type, row);
    return by_type;
  }();
  const auto it = rows->find(type);
  return it == rows->end() ? nullptr : it->second;
}

void rename(OnnxNode& node, std::string_view target) { node.emit(node.as(target)); }

}  // namespace latgrad::net::onnx_ops
