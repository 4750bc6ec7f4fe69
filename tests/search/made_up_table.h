// A complete latency table of a space, with times made up from a hash of each operator.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "latgrad/lut/table.h"
#include "latgrad/search/latency_model.h"

namespace latgrad::search {

// FNV-1a over the canonical key, the same on every machine.
inline uint64_t made_up_hash(const lut::OperatorKey& key) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : lut::canonical(key)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

// The median: from 0.001 to 1000 us.
inline double made_up_us(const lut::OperatorKey& key) {
  return static_cast<double>(made_up_hash(key) % 1'000'000 + 1) / 1000;
}

inline lut::Record made_up_record(const lut::OperatorKey& key) {
  lut::Record record;
  record.op_type = key.op_type;
  record.op_args = lut::reference_args(key);
  record.input_shapes = key.input_shapes;
  record.input_dtypes = key.input_dtypes;
  record.p50_us = made_up_us(key);
  // Operators differ in how far their times scatter, so that no statistic is a multiple of another.
  const double scatter = static_cast<double>(made_up_hash(key) / 1'000'000 % 1000) / 1000;
  record.p0_us = record.p50_us * (1 - 0.5 * scatter);
  record.p10_us = record.p50_us * (1 - 0.25 * scatter);
  record.p90_us = record.p50_us * (1 + scatter);
  record.p100_us = record.p50_us * (1 + 3 * scatter);
  record.device = "made-up";
  return record;
}

// Every operator that the space needs and `keep` accepts.
inline lut::Table made_up_table(
    const Space& space, Precision precision,
    const std::function<bool(const MissingOperator&)>& keep = [](const MissingOperator&) { return true; }) {
  std::vector<lut::Record> records;
  for (const MissingOperator& op : required_operators(space, precision)) {
    if (keep(op)) records.push_back(made_up_record(op.key));
  }
  return lut::Table::from_records(std::move(records), "made-up");
}

}  // namespace latgrad::search
