// The distinct operators of a space, and those of each architecture.
//
//   const SpaceOperators operators(space, Precision::kFp32);
//   operators.keys()[operators.of(arch)[3]];
//
// Operators are distinct by meaning: a block that occurs in several layers is the same ones. Built in time
// linear in the candidates, then immutable: any number of threads may read it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/net/net.h"
#include "latgrad/search/physical_totals.h"
#include "latgrad/search/space.h"

namespace latgrad::search {

// Operators by number, in the order in which they were first seen.
class OperatorNumbers {
 public:
  // The numbers of a network's operators, in its order, without those of unknown shapes.
  std::vector<uint32_t> add(const net::Net& net);

  const std::vector<lut::OperatorKey>& keys() const { return keys_; }
  const std::vector<PhysicalTotals>& physical() const { return physical_; }

 private:
  std::unordered_map<std::string, uint32_t> numbers_;  // by canonical key
  std::vector<lut::OperatorKey> keys_;
  std::vector<PhysicalTotals> physical_;
};

class SpaceOperators {
 public:
  // Errors: ValueError for a chain.
  SpaceOperators(const Space& space, Precision precision);

  const std::vector<lut::OperatorKey>& keys() const { return numbers_.keys(); }
  const std::vector<PhysicalTotals>& physical() const { return numbers_.physical(); }
  // Of the whole network, one that occurs twice twice. Precondition: space.check(arch).
  std::vector<uint32_t> of(const Architecture& arch) const;
  const std::vector<uint32_t>& fixed() const { return fixed_; }
  // Empty where the candidate is not offered.
  const std::vector<uint32_t>& of_block(size_t layer, size_t candidate) const {
    return blocks_[layer][candidate];
  }

 private:
  OperatorNumbers numbers_;
  std::vector<uint32_t> fixed_;
  std::vector<std::vector<std::vector<uint32_t>>> blocks_;  // [layer][candidate]
};

}  // namespace latgrad::search
