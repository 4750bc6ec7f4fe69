#include "latgrad/search/calibrator.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <random>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/lut/estimate.h"
#include "latgrad/search/plan_networks.h"
#include "latgrad/search/random_architecture.h"

namespace latgrad::search {
namespace {

constexpr size_t kTypicalNetworks = 512;
constexpr size_t kClasses = 3;

size_t class_of(const PhysicalTotals& totals) {
  if (totals[kDepthwiseMacs] > 0) return 0;
  return totals[kMacs] > 0 ? 1 : 2;
}

}  // namespace

Calibrator::Calibrator(std::vector<lut::OperatorKey> keys, std::vector<PhysicalTotals> physical,
                       std::vector<std::vector<uint32_t>> typical, bool of_one_space)
    : keys_(std::move(keys)),
      data_{.physical = std::move(physical),
            .sources_us = {},
            .typical = std::move(typical),
            .networks = {},
            .of_one_space = of_one_space} {}

void Calibrator::add_source(std::span<const TimedNetwork> networks) {
  CalibrationData data = data_;
  data.sources_us.clear();
  data.expected_us.clear();
  data.networks.assign(networks.begin(), networks.end());
  data_.sources_us.push_back(search::calibrate(data).posterior.times_us());
}

void Calibrator::add_source(const lut::Table& table, const std::string& device) {
  data_.sources_us.push_back(times_by_table(keys_, data_.physical, table, device));
}

void Calibrator::add_corrected(const lut::Table& table, const std::string& device) {
  const std::vector<double> times_us = times_by_table(keys_, data_.physical, table, device);
  std::array<std::vector<double>, kClasses> by_class;
  by_class.fill(std::vector<double>(times_us.size(), 0));
  for (size_t op = 0; op < times_us.size(); ++op) {
    by_class[class_of(data_.physical[op])][op] = times_us[op];
  }
  for (std::vector<double>& one : by_class) data_.sources_us.push_back(std::move(one));
  data_.expected_us = times_us;
}

Calibration Calibrator::calibrate(std::span<const TimedNetwork> networks, uint64_t seed) const {
  CalibrationData data = data_;
  data.networks.assign(networks.begin(), networks.end());
  return search::calibrate(data, seed);
}

std::vector<size_t> Calibrator::plan(std::span<const TimedNetwork> networks,
                                     std::span<const std::vector<uint32_t>> pool, size_t count,
                                     uint64_t seed) const {
  CalibrationData data = data_;
  data.networks.assign(networks.begin(), networks.end());
  return plan_networks(data, pool, count, seed);
}

std::vector<std::vector<uint32_t>> typical_networks(const Space& space, const SpaceOperators& operators) {
  std::mt19937_64 random(0);
  std::vector<std::vector<uint32_t>> networks;
  for (size_t i = 0; i < kTypicalNetworks; ++i) {
    networks.push_back(operators.of(random_architecture(space, random)));
  }
  return networks;
}

std::vector<double> times_by_table(std::span<const lut::OperatorKey> keys,
                                   std::span<const PhysicalTotals> physical, const lut::Table& table,
                                   const std::string& device) {
  const lut::EstimateOptions options{.device = table.resolve_device(device)};
  CalibrationData data{.physical = {physical.begin(), physical.end()},
                       .sources_us = {},
                       .typical = {},
                       .networks = {},
                       .of_one_space = false};
  std::vector<std::optional<double>> known_us;
  for (size_t op = 0; op < keys.size(); ++op) {
    known_us.push_back(lut::estimate_operator(keys[op], table, options).time_us);
    if (known_us.back().value_or(0) <= 0) continue;
    data.networks.push_back({.operators = {static_cast<uint32_t>(op)}, .time_us = *known_us.back()});
  }
  if (data.networks.empty()) {
    throw ValueError(
        fmt::format("a table must have an operator of these networks to be a prior, but {} has none for {}",
                    table.source(), options.device));
  }
  std::vector<double> times_us(keys.size());
  if (data.networks.size() < keys.size()) times_us = calibrate(data).posterior.times_us();
  for (size_t op = 0; op < keys.size(); ++op) times_us[op] = known_us[op].value_or(times_us[op]);
  return times_us;
}

}  // namespace latgrad::search
