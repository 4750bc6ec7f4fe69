// Where a measured table comes from: a JSON file beside it.
//
//   write_text(provenance_json(provenance), provenance_path("x-op_lut_database.json"));
//       // x-op_lut_database.provenance.json

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "machine.h"
#include "measure.h"
#include "plan.h"
#include "statistics.h"

namespace latgrad::profile {

struct MeasuredOperator {
  std::string description;
  size_t samples = 0;
  double spread = 0;  // (p90 - p10) / p50
};

struct Provenance {
  std::string table;  // file name
  std::string device;
  Machine machine;
  std::string torch_version;
  int threads = 1;
  MeasureOptions options;
  bool budget_spent = false;  // operators may have fewer samples than options.repetitions
  bool resumed = false;       // the samples come from several runs
  std::string date_utc;       // "2026-01-31T12:00:00Z"
  double elapsed_s = 0;       // of the last run
  std::optional<double> load_at_start;
  std::optional<double> load_at_end;
  std::string extends;  // file name of the table whose records were taken over; empty: none
  size_t records_taken_over = 0;
  std::vector<MeasuredOperator> operators;
  std::vector<MissingOperator> missing;
};

// Of the operators; 0 where there are none.
double median_spread(const std::vector<MeasuredOperator>& operators);

std::string provenance_json(const Provenance& provenance);

// `<stem>.provenance.json` in the folder of the table.
std::filesystem::path provenance_path(const std::filesystem::path& table);

// This moment in UTC, to the second, as ISO 8601.
std::string date_utc();

// Writes to a temporary file and renames. Errors: IoError.
void write_text(const std::string& text, const std::filesystem::path& path);

}  // namespace latgrad::profile
