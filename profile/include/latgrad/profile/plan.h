// What to measure: the distinct operators of spaces and networks that a table lacks.
//
//   Plan plan;
//   plan.add_space(Space::load("fbnet.textproto"), Precision::kInt8);
//   plan.add_net(net);
//   plan.drop_known(table, device);
//   plan.operators();        // in the order in which they were added
//
// Not synchronised.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/lut/table.h"
#include "latgrad/net/net.h"
#include "latgrad/search/space.h"

namespace latgrad::profile {

// An operator that is needed but cannot be measured.
struct MissingOperator {
  std::string op_type;
  std::string description;
  std::string reason;
};

class Plan {
 public:
  // The operators that pricing every architecture of the space needs.
  void add_space(const search::Space& space, search::Precision precision);

  // The operators of a network; those of unknown shape go to missing().
  // Errors: NetError as net::infer_shapes, but not for an operator of unknown type.
  void add_net(const net::Net& net);

  // Removes the operators that `table` holds for `device` (none if the table lacks the device).
  void drop_known(const lut::Table& table, const std::string& device);

  // Distinct by meaning, in the order in which they were added.
  const std::vector<lut::OperatorKey>& operators() const { return operators_; }
  const std::vector<MissingOperator>& missing() const { return missing_; }
  size_t num_known() const { return num_known_; }  // how many drop_known() took out

 private:
  void add(lut::OperatorKey key);

  std::vector<lut::OperatorKey> operators_;
  std::set<std::string> seen_;  // canonical keys, and descriptions of missing ones
  std::vector<MissingOperator> missing_;
  size_t num_known_ = 0;
};

}  // namespace latgrad::profile
