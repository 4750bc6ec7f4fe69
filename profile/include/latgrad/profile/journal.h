// The measurements of a run so far, on disk, which make the run resumable.
//
//   Journal journal("table.json.partial", settings, plan.operators().size());
//   journal.samples();                                   // of an earlier run that was interrupted
//   journal.add_visit({{{7, {31.2, 30.9}}}, flanks});    // on disk when it returns
//   journal.discard();                                   // the table is written
//
// A file of JSON lines: the settings first, then one line for every visit. Not synchronised; only one process
// at a time may write a journal.

#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/profile/samples.h"

namespace latgrad::profile {

// The settings that must be equal if the samples of two runs are to be combined.
struct RunSettings {
  std::string device;
  std::string cpu_model;
  std::string engine;
  std::string framework;
  int threads = 1;
  std::vector<int> cores = {};
  int warmup = 0;
  uint64_t seed = 0;
  uint64_t plan_hash = 0;       // of the operators in order
  std::string reference;        // its name
  uint64_t reference_hash = 0;  // of its operators, as plan_hash
};

// Order counts, spelling of arguments does not.
uint64_t plan_hash(std::span<const lut::OperatorKey> operators);

class Journal {
 public:
  // Begins a journal, or continues the one at `path`. A last line that a crash left incomplete is cut off.
  // Errors: IoError; ParseError with file and line; ValueError when it was begun with other settings.
  Journal(std::filesystem::path path, const RunSettings& settings, size_t num_operators, SampleRules rules);

  const Samples& samples() const { return samples_; }
  // By operator: why it cannot run; empty for the others.
  const std::vector<std::string>& unsupported() const { return unsupported_; }
  bool resumed() const { return resumed_; }

  // Times are rounded to a nanosecond. Errors: IoError when it cannot be written.
  void add_visit(VisitSamples visit);
  void add_unsupported(size_t op, std::string reason);

  // Removes the file. Errors: IoError.
  void discard();

 private:
  void read(const std::string& header);
  void write_line(const std::string& line);

  std::filesystem::path path_;
  Samples samples_;
  std::vector<std::string> unsupported_;
  std::ofstream file_;
  bool resumed_ = false;
};

}  // namespace latgrad::profile
