// The operators that a table lacks: each once, with everything that needs it.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "json_writer.h"
#include "latgrad/lut/operator_key.h"

namespace latgrad::cli {

class MissingOperators {
 public:
  // `user` says where it is needed: "op 3", "layer 3 k5_e6".
  void add(const lut::OperatorKey& key, const std::string& user);
  // An operator of which only the type is known.
  void add_unknown(const std::string& op_type, const std::string& user);

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // A line for each operator, its users behind it, cut after `max_lines`.
  std::string text(size_t max_lines) const;
  // An array. The operators' members are a query of `latgrad op --stdin`.
  void write(JsonWriter& json) const;

 private:
  struct Entry {
    lut::OperatorKey key;
    bool known;
    std::vector<std::string> used_by;
  };

  void add(const std::string& identity, const lut::OperatorKey& key, bool known, const std::string& user);

  std::vector<Entry> entries_;
  std::map<std::string, size_t> index_;  // identity -> entry
};

// Writes the members op_type, op_args, input_shapes and input_dtypes as a LUT record has them.
void write_operator(JsonWriter& json, const lut::OperatorKey& key);

}  // namespace latgrad::cli
