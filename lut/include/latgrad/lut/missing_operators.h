// The operators that a table lacks, each listed once with everything that needs it.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "latgrad/lut/operator_key.h"

namespace latgrad::lut {

class MissingOperators {
 public:
  struct Entry {
    OperatorKey key;
    bool known;  // otherwise only the key's op_type is
    std::vector<std::string> used_by;
  };

  // `user` says where it is needed: "op 3", "layer 3 k5_e6", layers counted from 1.
  void add(const OperatorKey& key, const std::string& user);
  // An operator whose shapes are unknown.
  void add_unknown(const std::string& op_type, const std::string& user);

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // One line per operator, followed by its users; at most `max_lines` lines.
  std::string text(size_t max_lines) const;

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void add(const std::string& identity, const OperatorKey& key, bool known, const std::string& user);

  std::vector<Entry> entries_;
  std::map<std::string, size_t> index_;  // identity -> entry
};

}  // namespace latgrad::lut
