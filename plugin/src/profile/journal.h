// The samples taken so far, on disk: what makes a run resumable.
//
//   Journal journal("table.json.partial", settings, plan.operators().size());
//   journal.samples_us(7);            // of an earlier run that was interrupted
//   journal.append(7, samples);       // on disk when it returns
//   journal.discard();                // the table is written
//
// A file of JSON lines: the settings first, then one line for every visit of an operator. Not synchronised;
// one process at a time writes a journal.

#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "latgrad/lut/operator_key.h"

namespace latgrad::profile {

// What must be the same for samples of two runs to be put together.
struct RunSettings {
  std::string device;
  std::string torch_version;
  int threads = 1;
  int warmup = 0;
  int repetitions = 0;
  uint64_t seed = 0;
  uint64_t plan_hash = 0;  // of the operators in order
};

// Order counts, spelling of arguments does not.
uint64_t plan_hash(std::span<const lut::OperatorKey> operators);

class Journal {
 public:
  // Begins a journal, or goes on with the one at `path`. A last line that was torn by a crash is cut off.
  // Errors: IoError; ParseError with file and line; ValueError when it was begun with other settings.
  Journal(std::filesystem::path path, const RunSettings& settings, size_t num_operators);

  // In the order taken; empty for an operator that was not visited.
  const std::vector<double>& samples_us(size_t op) const { return samples_us_.at(op); }
  bool resumed() const { return resumed_; }

  // Rounds to a nanosecond. Errors: IoError when it cannot be written.
  void append(size_t op, std::span<const double> samples_us);

  // Removes the file. Errors: IoError.
  void discard();

 private:
  void read(const std::string& header);

  std::filesystem::path path_;
  std::vector<std::vector<double>> samples_us_;
  std::ofstream file_;
  bool resumed_ = false;
};

}  // namespace latgrad::profile
