#include "latgrad/net/registry.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "rows.h"

namespace latgrad::net {

bool OperatorType::reads_activation(size_t input) const {
  constexpr size_t kLastBit = 31;
  return (activations >> std::min(input, kLastBit) & 1) != 0;
}

DataType OperatorType::parameter_type(size_t input) const {
  if (parameter_types.empty()) return DataType::kFloat;
  return parameter_types[std::min(input == 0 ? 0 : input - 1, parameter_types.size() - 1)];
}

std::span<const OperatorType* const> operator_types() {
  static const auto* const rows = [] {
    auto* all = new std::vector<const OperatorType*>;
    for (const std::span<const OperatorType> family :
         {ops::activation_rows(), ops::conv_rows(), ops::detection_rows(), ops::elementwise_rows(),
          ops::fc_rows(), ops::fill_rows(), ops::join_rows(), ops::normalise_rows(), ops::pool_rows(),
          ops::quantise_rows(), ops::reduce_rows(), ops::reshape_rows(), ops::resize_rows(),
          ops::shape_rows()}) {
      for (const OperatorType& row : family) all->push_back(&row);
    }
    return all;
  }();
  return *rows;
}

const OperatorType* find_operator_type(std::string_view type) {
  static const auto* const rows = [] {
    auto* by_type = new std::unordered_map<std::string_view, const OperatorType*>;
    for (const OperatorType* row : operator_types()) by_type->emplace(row->type, row);
    return by_type;
  }();
  const auto it = rows->find(type);
  return it == rows->end() ? nullptr : it->second;
}

WindowKind window_kind(std::string_view op_type) {
  const OperatorType* row = find_operator_type(op_type);
  return row == nullptr ? WindowKind::kNone : row->window;
}

}  // namespace latgrad::net
