#include "writing_rows.h"

#include <unordered_map>

namespace latgrad::net::onnx_ops {

std::vector<const WritingRow*> writing_rows() {
  std::vector<const WritingRow*> rows;
  for (const std::span<const WritingRow> family :
       {activation_writing(), conv_writing(), elementwise_writing(), fc_writing(), fill_writing(),
        join_writing(), normalise_writing(), pool_writing(), reduce_writing(), reshape_writing(),
        resize_writing()}) {
    for (const WritingRow& row : family) rows.push_back(&row);
  }
  return rows;
}

const WritingRow* find_writing_row(std::string_view type) {
  static const auto* const rows = [] {
    auto* by_type = new std::unordered_map<std::string_view, const WritingRow*>;
    for (const WritingRow* row : writing_rows()) by_type->emplace(row->type, row);
    return by_type;
  }();
  const auto it = rows->find(type);
  return it == rows->end() ? nullptr : it->second;
}

void write_renamed(NodeWriter& writer, std::string_view target) { writer.add(target); }

}  // namespace latgrad::net::onnx_ops
