#include "plugin/made_up_table.h"

#include <cmath>
#include <set>
#include <utility>

#include "latgrad/lut/operator_key.h"
#include "latgrad/net/read_net.h"
#include "latgrad/search/latency_model.h"

namespace latgrad::testing {
namespace {

std::vector<lut::Record> made_up_records(const std::vector<lut::OperatorKey>& keys) {
  std::vector<lut::Record> records;
  for (const lut::OperatorKey& key : keys) {
    // Irrational, so that sums of different operators differ, too.
    const double time_us = 1 + std::sqrt(static_cast<double>(2 + 3 * records.size()));
    // Operators differ in how far their times scatter, so that no statistic is a multiple of another.
    const double scatter = static_cast<double>(records.size() % 7) / 7;
    records.push_back({.op_type = key.op_type,
                       .op_args = lut::reference_args(key),
                       .input_shapes = key.input_shapes,
                       .input_dtypes = key.input_dtypes,
                       .p0_us = time_us * (1 - 0.5 * scatter),
                       .p10_us = time_us * (1 - 0.25 * scatter),
                       .p50_us = time_us,
                       .p90_us = time_us * (1 + scatter),
                       .p100_us = time_us * (1 + 3 * scatter),
                       .device = kDevice});
  }
  return records;
}

}  // namespace

std::vector<lut::Record> made_up_records(const search::Space& space, search::Precision precision) {
  std::vector<lut::OperatorKey> keys;
  for (const auto& needed : search::required_operators(space, precision)) keys.push_back(needed.key);
  return made_up_records(keys);
}

std::vector<lut::Record> made_up_records(const std::vector<std::string>& nets) {
  std::vector<lut::OperatorKey> keys;
  std::set<std::string> known;
  for (const std::string& file : nets) {
    const auto [net, shapes] = net::read_and_infer(file);
    for (size_t i = 0; i < net.ops.size(); ++i) {
      lut::OperatorKey key = lut::operator_key(net.ops[i], shapes.ops[i]);
      if (known.insert(lut::canonical(key)).second) keys.push_back(std::move(key));
    }
  }
  return made_up_records(keys);
}

}  // namespace latgrad::testing
