// Operators of a space, or of any networks, from measured networks, with the times of other devices as a
// prior.
//
//   const SpaceOperators operators(space, Precision::kFp32);
//   Calibrator calibrator(operators.keys(), operators.physical(), typical_networks(space, operators),
//                         /*of_one_space=*/true);
//   calibrator.add_source(their_networks);                    // another device, by its measured networks
//   calibrator.add_source(table, "SM-G950U-7.0-24");          // or by its table
//   Calibration calibration = calibrator.calibrate(our_networks);
//   calibration.posterior.price(operators.of(arch));
//
// A source of networks costs a calibration of its own. Thread-safe where it only reads.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "latgrad/lut/table.h"
#include "latgrad/search/calibration.h"
#include "latgrad/search/space_operators.h"

namespace latgrad::search {

class Calibrator {
 public:
  // `typical` and `of_one_space`: as in CalibrationData.
  Calibrator(std::vector<lut::OperatorKey> keys, std::vector<PhysicalTotals> physical,
             std::vector<std::vector<uint32_t>> typical, bool of_one_space);

  const std::vector<lut::OperatorKey>& keys() const { return keys_; }
  const std::vector<std::vector<uint32_t>>& typical() const { return data_.typical; }
  size_t num_sources() const { return data_.sources_us.size(); }

  // Another device, of which networks were measured. Errors: as search::calibrate.
  void add_source(std::span<const TimedNetwork> networks);
  // Another device, of which there is a table. Errors: as times_by_table.
  void add_source(const lut::Table& table, const std::string& device);
  // The device itself, measured operator by operator: what networks take beyond its sums corrects each class
  // of operators (depthwise convolutions, others that multiply, the rest), what a call takes, and so on.
  // Errors: as times_by_table.
  void add_corrected(const lut::Table& table, const std::string& device);

  // Errors: as search::calibrate.
  Calibration calibrate(std::span<const TimedNetwork> networks, uint64_t seed = 0) const;

  // As plan_networks.
  std::vector<size_t> plan(std::span<const TimedNetwork> networks,
                           std::span<const std::vector<uint32_t>> pool, size_t count,
                           uint64_t seed = 0) const;

 private:
  std::vector<lut::OperatorKey> keys_;
  CalibrationData data_;  // without networks
};

// A sample of a space, the same each time.
std::vector<std::vector<uint32_t>> typical_networks(const Space& space, const SpaceOperators& operators);

// The times of operators on the device of a table; those that it lacks are estimated from the others.
// Errors: ValueError for a device that the table lacks, or a table without any of the operators.
std::vector<double> times_by_table(std::span<const lut::OperatorKey> keys,
                                   std::span<const PhysicalTotals> physical, const lut::Table& table,
                                   const std::string& device);

}  // namespace latgrad::search
