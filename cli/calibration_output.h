// What `latgrad calibrate` writes: the table with its error bars and its origin, JSON, and text.

#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "latgrad/search/calibrator.h"

namespace latgrad::cli {

struct CalibrationOutput {
  std::string networks_of;  // name of the space; empty: networks of any kind
  std::string device;
  const std::vector<std::string>& names;  // of the measured networks
  const std::vector<search::TimedNetwork>& measured;
  const std::vector<std::string>& asked_names;
  const std::vector<std::vector<uint32_t>>& asked;
  const search::Calibrator& calibrator;
  const search::Calibration& calibration;
  const std::vector<std::string>& sources;  // files of other devices
  std::string corrected;                    // the table that was corrected; empty: none
};

// The table, and next to it its posterior and its provenance. Errors: IoError.
void write_table(const CalibrationOutput& output, const std::filesystem::path& path);

std::string calibration_json(const CalibrationOutput& output);

// `with_asked`: also what is predicted for the networks that were asked for.
std::string calibration_text(const CalibrationOutput& output, bool with_asked);

}  // namespace latgrad::cli
