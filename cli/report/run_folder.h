// The folder of a search (docs/run-format.md), even if incomplete.
//
//   const Run run = read_run("runs/pixel");
//   if (!run.result) ...                          // the search has not ended
//   const Pick pick = final_pick(run);            // what it chose, or would choose now
//
// Values that a file lacks are nothing or empty, never made up. Reading is linear in the bytes.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "latgrad/search/space.h"

namespace latgrad::cli::report {

// Of any magnitude in a run. Sums, differences and percentages of such numbers are finite.
inline constexpr double kLargestNumber = 1e15;

using Numbers = std::vector<std::optional<double>>;

struct Config {
  std::string program;
  std::string created;
  std::optional<double> target_us = {};
  std::vector<std::pair<std::string, std::string>> settings = {};
};

struct TableLayer {
  std::vector<std::string> candidates;
  Numbers us;  // nothing where a candidate is not offered
};

struct LatencyTable {
  std::string space, device, precision, statistic;
  std::optional<double> fixed_us;
  std::vector<TableLayer> layers = {};
};

struct Epoch {
  std::optional<double> temperature, cross_entropy, accuracy, theta_cross_entropy, theta_accuracy;
  std::optional<double> sampled_us, expected_us, arg_max_us, gap_us, theta_entropy, seconds;
  std::vector<int64_t> arg_max;
  std::vector<Numbers> theta;  // [layers][candidates]; nothing where a candidate is not offered
};

struct FoundArchitecture {
  std::vector<int64_t> architecture;
  std::vector<std::string> blocks = {};
  std::optional<double> latency_us = {}, log_probability = {};
};

struct SpentOperator {
  std::string type, output;
  std::optional<double> us;
};

struct SearchResult {
  std::optional<double> target_us;
  std::optional<FoundArchitecture> arg_max = {}, chosen = {};
  std::string why = {};  // it was chosen
  std::vector<FoundArchitecture> samples = {};
  std::vector<SpentOperator> operators = {};  // of the chosen one, in order
};

struct RetrainEpoch {
  std::optional<double> cross_entropy, accuracy, test_cross_entropy, test_accuracy;
};

struct Retraining {
  std::vector<RetrainEpoch> epochs;
  bool is_finished = false;
  std::optional<double> test_accuracy, test_cross_entropy;  // at the end
};

struct Run {
  std::filesystem::path folder;
  std::optional<Config> config = {};
  std::optional<LatencyTable> table = {};
  std::vector<Epoch> epochs = {};
  std::optional<SearchResult> result = {};
  std::optional<Retraining> retraining = {};
  std::optional<search::Space> space = {};
  std::string space_error = {};  // why there is none, where its file cannot be read

  // The name of a candidate; its number where the table does not name it.
  std::string candidate_name(size_t layer, size_t candidate) const;
};

// Errors: IoError for what is no folder or cannot be read; ValueError for a folder without any file of a run;
// ParseError with file, line and field for JSON that is malformed or says something else than the format.
Run read_run(const std::filesystem::path& folder);

// The architecture that a report is about.
struct Pick {
  enum class Origin { kChosen, kArgMax, kNone };
  Origin origin = Origin::kNone;  // the arg-max of the last epoch, while there is no result
  std::vector<int64_t> architecture;
  std::vector<std::string> blocks;  // as many
  std::optional<double> latency_us;

  bool has(size_t layer, size_t candidate) const {
    return layer < architecture.size() && architecture[layer] == static_cast<int64_t>(candidate);
  }
};

Pick final_pick(const Run& run);

// The candidates' names, those of the file where it has as many.
std::vector<std::string> block_names(const Run& run, const FoundArchitecture& found);

}  // namespace latgrad::cli::report
