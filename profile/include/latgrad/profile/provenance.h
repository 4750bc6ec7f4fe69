// The origin of a measured table: a JSON file next to it.
//
//   base::replace_file(provenance_path("x-op_lut_database.json"), provenance_json(provenance));
//       // x-op_lut_database.provenance.json
//   std::optional<Origin> origin = read_origin("x-op_lut_database.json");

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/profile/measure.h"
#include "latgrad/profile/network_run.h"
#include "latgrad/profile/plan.h"
#include "latgrad/profile/statistics.h"
#include "latgrad/runner/runner.h"

namespace latgrad::profile {

struct MeasuredOperator {
  std::string description;
  Percentiles times;
  size_t samples = 0;
  size_t visits = 0;                     // of an inferred one: the networks that contain it
  std::optional<double> relative_error;  // of the time: Times::relative_error
};

struct Provenance {
  std::string table;  // file name
  std::string device;
  runner::RunnerInfo runner;
  std::string runner_command;
  RoundOptions options;
  bool budget_spent = false;
  bool resumed = false;                 // the samples come from several runs
  std::string date_utc;                 // "2026-01-31T12:00:00Z"
  double elapsed_s = 0;                 // of the last run
  std::optional<double> load_at_start;  // of the planner's machine
  std::optional<double> load_at_end;
  size_t visits = 0;
  size_t samples = 0;                       // of whole networks
  size_t discarded_samples = 0;             // the machine changed its speed under them
  std::vector<double> slowdowns;            // by visit: Samples::slowdowns
  std::optional<Reference> reference = {};  // what times are ratios to; nothing: they are as they came
  double reference_now_us = 0;              // its time on the undisturbed machine in this run
  std::optional<double> unsteadiness = {};  // Samples::unsteadiness
  double burst_factor = 1;                  // Samples::burst_factor
  std::string extends;  // file name of the table whose records were taken over; empty: none
  size_t records_taken_over = 0;
  std::string extended_provenance;  // that table's own, as JSON; empty: it has none
  std::vector<MeasuredOperator> operators;
  std::optional<Inference> inference = {};  // of `operators`, in this order; nothing: they were measured
  std::vector<MissingOperator> missing;
};

// Of the operators' (p90 - p10) / p50; 0 where there are none.
double median_spread(const std::vector<MeasuredOperator>& operators);

std::string provenance_json(const Provenance& provenance);

// `<stem>.provenance.json` in the folder of the table; the suffix of a packed table, .zip or .gz, is dropped.
std::filesystem::path provenance_path(const std::filesystem::path& table);

// The text of the provenance of a table; empty if there is none, or if it is not a JSON object.
std::string read_provenance(const std::filesystem::path& table);

// The properties that two tables must share to be combined.
struct Origin {
  std::string cpu_model;
  std::string engine;
  std::string framework;
  int threads = 0;

  bool operator==(const Origin&) const = default;
};

Origin origin_of(const runner::RunnerInfo& runner);

// From the provenance of a table; nothing if there is none, or if it lacks a field.
std::optional<Origin> read_origin(const std::filesystem::path& table);

// The reference of a table and its time then, from its provenance; nothing if there is none.
std::optional<Reference> read_reference(const std::filesystem::path& table);

// What differs, for people: `CPU "A" there, "B" here; 1 thread there, 4 here`; empty where nothing does.
std::string differences(const Origin& there, const Origin& here);

// This moment in UTC, to the second, as ISO 8601.
std::string date_utc();

}  // namespace latgrad::profile
