// Distinct operators, by meaning, with what uses them.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "latgrad/search/latency_model.h"

namespace latgrad::search::internal {

inline constexpr const char* kFixedPart = "fixed";

// "layer 3 k5_e6" for the 0-based layer 2.
std::string user_name(size_t layer, std::string_view candidate);

class OperatorCollection {
 public:
  void add(const lut::OperatorKey& key, const std::string& user);
  // In the order in which they were first added; the collection is empty afterwards.
  std::vector<MissingOperator> take();

 private:
  std::unordered_map<std::string, size_t> index_;  // by canonical key
  std::vector<MissingOperator> operators_;
};

}  // namespace latgrad::search::internal
