#include "latgrad/search/estimate_missing.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/lut/operator_net.h"
#include "latgrad/search/calibration.h"

namespace latgrad::search {
namespace {

constexpr size_t kFewestRecords = 3;
constexpr size_t kMostRecords = 100;

struct KnownOperator {
  PhysicalTotals physical;
  double time_us = 0;
};

// The records of the device with a time, by type; several of one operator are one.
std::map<std::string, std::vector<KnownOperator>> known_operators(const lut::Table& table,
                                                                  const lut::EstimateOptions& options) {
  const std::string& device = table.resolve_device(options.device);
  std::map<std::string, std::vector<KnownOperator>> known;
  std::set<std::string> seen;
  for (size_t i = 0; i < table.size(); ++i) {
    const lut::Record record = table.record(i);
    if (record.device != device) continue;
    const lut::OperatorKey key = lut::record_key(record);
    if (!seen.insert(lut::canonical(key)).second) continue;
    const lut::OpEstimate estimate = lut::estimate_operator(key, table, options);
    if (estimate.time_us.value_or(0) <= 0) continue;
    const net::Net net = lut::operator_net(key);
    try {
      const net::NetShapes shapes = net::infer_shapes(net, {.allow_unknown = true, .list_blobs = false});
      if (!shapes.ops[0].known) continue;
      known[key.op_type].push_back({physical_totals(net.ops[0], shapes.ops[0]), *estimate.time_us});
    } catch (const NetError&) {
      continue;  // a record that contradicts itself prices nothing and tells nothing
    }
  }
  return known;
}

// Evenly spread over the file, as tables are in the order of their networks.
std::vector<KnownOperator> some_of(std::vector<KnownOperator> all) {
  if (all.size() <= kMostRecords) return all;
  std::vector<KnownOperator> some;
  for (size_t i = 0; i < kMostRecords; ++i) some.push_back(all[i * all.size() / kMostRecords]);
  return some;
}

}  // namespace

void estimate_missing(lut::Estimate& estimate, const net::Net& net, const net::NetShapes& shapes,
                      const lut::Table& table, const lut::EstimateOptions& options) {
  std::map<std::string, std::vector<size_t>> missing;  // by type
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (!estimate.ops[i].time_us && shapes.ops[i].known) missing[net.ops[i].type].push_back(i);
  }
  if (missing.empty()) return;
  const std::map<std::string, std::vector<KnownOperator>> known = known_operators(table, options);
  std::vector<KnownOperator> all;
  for (const auto& [type, operators] : known) all.insert(all.end(), operators.begin(), operators.end());
  if (all.size() < kFewestRecords) {
    throw ValueError(
        fmt::format("a table must have at least {} records of the device to estimate others, got {}",
                    kFewestRecords, all.size()),
        {.file = table.source()});
  }
  for (const auto& [type, places] : missing) {
    const auto of_type = known.find(type);
    const bool has_type = of_type != known.end() && of_type->second.size() >= kFewestRecords;
    CalibrationData data{.of_one_space = false};
    const auto add = [&](const PhysicalTotals& physical) {
      data.physical.push_back(physical);
      data.typical.push_back({static_cast<uint32_t>(data.physical.size() - 1)});
    };
    for (const KnownOperator& op : some_of(has_type ? of_type->second : all)) {
      add(op.physical);
      data.networks.push_back({.operators = data.typical.back(), .time_us = op.time_us});
    }
    const size_t first = data.physical.size();
    for (const size_t i : places) add(physical_totals(net.ops[i], shapes.ops[i]));
    const OperatorPosterior posterior = calibrate(data).posterior;
    for (size_t k = 0; k < places.size(); ++k) {
      const auto number = static_cast<uint32_t>(first + k);
      lut::OpEstimate& op = estimate.ops[places[k]];
      op.status = lut::Status::kEstimated;
      op.time_us = posterior.times_us()[number];
      op.error_us = posterior.error_us({&number, 1});
    }
  }
  lut::add_up(estimate);
}

}  // namespace latgrad::search
