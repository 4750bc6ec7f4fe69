#include "report/run_folder.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "latgrad/base/json.h"
#include "report/run_file.h"

namespace latgrad::cli::report {

namespace fs = std::filesystem;
using base::JsonValue;

namespace {

constexpr const char* kFormat = "latgrad-run-1";
constexpr size_t kMaxSpaceBytes = 4 << 20;

// What a number may be beside its magnitude.
enum class Sign { kAny, kNotNegative, kPositive };

double number_of(const JsonValue& value, Sign sign) {
  const double number = value.number();
  if (sign == Sign::kPositive && number <= 0) value.fail("be above 0");
  if (sign == Sign::kNotNegative && number < 0) value.fail("be at least 0");
  if (std::abs(number) > kLargestNumber) value.fail("be of a magnitude up to 1e15");
  return number;
}

// Nothing stays nothing.
Numbers numbers_of(const JsonValue& list, Sign sign) {
  Numbers numbers;
  for (const JsonValue& item : list.list()) {
    numbers.push_back(item.is_null() ? std::nullopt : std::optional(number_of(item, sign)));
  }
  return numbers;
}

// What a member of an object holds; nothing, or nothing in it, where there is no such member, or null.

std::string text(const JsonValue& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->text() : "";
}

std::optional<double> number(const JsonValue& object, std::string_view name, Sign sign = Sign::kAny) {
  const auto value = object.find(name);
  return value ? std::optional(number_of(*value, sign)) : std::nullopt;
}

std::optional<double> latency(const JsonValue& object, std::string_view name) {
  return number(object, name, Sign::kNotNegative);
}

std::vector<JsonValue> list(const JsonValue& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->list() : std::vector<JsonValue>();
}

std::vector<std::string> texts(const JsonValue& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->texts() : std::vector<std::string>();
}

std::vector<int64_t> indices(const JsonValue& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->integers(0) : std::vector<int64_t>();
}

// All members in order, as people read them: a text as it is, anything else as JSON.
std::vector<std::pair<std::string, std::string>> shown(const JsonValue& object) {
  std::vector<std::pair<std::string, std::string>> shown;
  for (const auto& [name, value] : object.members()) {
    shown.emplace_back(name, value.is_text() ? value.text() : base::json_line(value.json()));
  }
  return shown;
}

Config read_config(const JsonValue& root) {
  if (const std::string format = text(root, "format"); format != kFormat) {
    throw ParseError(fmt::format("the format of a run must be \"{}\", got \"{}\"", kFormat, format),
                     root.place());
  }
  Config config{.program = text(root, "program"), .created = text(root, "created")};
  if (const auto settings = root.find("settings")) {
    config.settings = shown(*settings);
    if (const auto target_ms = number(*settings, "target_ms", Sign::kPositive)) {
      config.target_us = 1000 * *target_ms;
    }
  }
  return config;
}

TableLayer read_table_layer(const JsonValue& layer) {
  TableLayer read{.candidates = texts(layer, "candidates"), .us = {}};
  if (const auto us = layer.find("us")) read.us = numbers_of(*us, Sign::kNotNegative);
  if (read.candidates.size() != read.us.size()) {
    layer.fail(
        fmt::format("have as many times as candidates ({} and {})", read.us.size(), read.candidates.size()));
  }
  return read;
}

LatencyTable read_table(const JsonValue& root) {
  LatencyTable table{.space = text(root, "space"),
                     .device = text(root, "device"),
                     .precision = text(root, "precision"),
                     .statistic = text(root, "statistic"),
                     .fixed_us = latency(root, "fixed_us")};
  for (const JsonValue& layer : list(root, "layers")) table.layers.push_back(read_table_layer(layer));
  return table;
}

Epoch read_epoch(const JsonValue& line, size_t index) {
  if (const auto epoch = line.find("epoch"); epoch && epoch->integer() != static_cast<int64_t>(index)) {
    throw ParseError(fmt::format("epochs must ascend from 0 without gaps; here must be {}, got {}", index,
                                 epoch->integer()),
                     epoch->place());
  }
  Epoch epoch{.temperature = number(line, "temperature"),
              .cross_entropy = number(line, "cross_entropy"),
              .accuracy = number(line, "accuracy"),
              .theta_cross_entropy = number(line, "theta_cross_entropy"),
              .theta_accuracy = number(line, "theta_accuracy"),
              .sampled_us = latency(line, "sampled_us"),
              .expected_us = latency(line, "expected_us"),
              .arg_max_us = latency(line, "arg_max_us"),
              .gap_us = number(line, "gap_us"),
              .theta_entropy = number(line, "theta_entropy"),
              .seconds = number(line, "seconds"),
              .arg_max = indices(line, "arg_max"),
              .theta = {}};
  for (const JsonValue& row : list(line, "theta")) epoch.theta.push_back(numbers_of(row, Sign::kAny));
  return epoch;
}

FoundArchitecture read_architecture(const JsonValue& object) {
  return {.architecture = indices(object, "architecture"),
          .blocks = texts(object, "blocks"),
          .latency_us = latency(object, "latency_us"),
          .log_probability = number(object, "log_probability")};
}

SearchResult read_result(const JsonValue& root) {
  SearchResult result{.target_us = number(root, "target_us", Sign::kPositive)};
  if (const auto arg_max = root.find("arg_max")) result.arg_max = read_architecture(*arg_max);
  if (const auto chosen = root.find("chosen")) {
    result.chosen = read_architecture(*chosen);
    result.why = text(*chosen, "why");
  }
  for (const JsonValue& sample : list(root, "samples")) result.samples.push_back(read_architecture(sample));
  for (const JsonValue& op : list(root, "operators")) {
    result.operators.push_back({text(op, "type"), text(op, "output"), latency(op, "us")});
  }
  return result;
}

RetrainEpoch read_retrain_epoch(const JsonValue& line) {
  return {.cross_entropy = number(line, "cross_entropy"),
          .accuracy = number(line, "accuracy"),
          .test_cross_entropy = number(line, "test_cross_entropy"),
          .test_accuracy = number(line, "test_accuracy")};
}

// Calls `read(root)` where there is such a file, and says whether there is.
template <typename Read>
bool with_file(const fs::path& path, const Read& read) {
  if (!fs::is_regular_file(path)) return false;
  const std::string json = read_file(path, base::kMaxJsonBytes);
  read(base::JsonDocument(json, "the file", {.file = path.string()}).root());
  return true;
}

// Calls `read(object)` for each complete line.
template <typename Read>
bool with_lines(const fs::path& path, const Read& read) {
  if (!fs::is_regular_file(path)) return false;
  const std::string log = read_file(path, base::kMaxJsonBytes);
  for (const Line& line : complete_lines(log)) {
    read(base::JsonDocument(line.text, "the line", {.file = path.string(), .line = line.number}).root());
  }
  return true;
}

std::optional<Retraining> read_retraining(const fs::path& folder) {
  Retraining retraining;
  const bool has_log = with_lines(folder / "log.jsonl", [&](const JsonValue& line) {
    retraining.epochs.push_back(read_retrain_epoch(line));
  });
  retraining.is_finished = with_file(folder / "result.json", [&](const JsonValue& root) {
    retraining.test_accuracy = number(root, "test_accuracy");
    retraining.test_cross_entropy = number(root, "test_cross_entropy");
  });
  if (!has_log && !retraining.is_finished) return std::nullopt;
  return retraining;
}

// A space of another program may say what this one cannot read, and the report loses only its map sizes.
// The format has no base here; following one would quote whatever file a run from elsewhere names.
void read_space(Run& run) {
  const fs::path path = run.folder / "space.textproto";
  if (!fs::is_regular_file(path)) return;
  try {
    run.space = search::Space::parse(read_file(path, kMaxSpaceBytes), path.string());
  } catch (const Error& error) {
    run.space_error = error.what();
  }
}

}  // namespace

std::string Run::candidate_name(size_t layer, size_t candidate) const {
  if (table && layer < table->layers.size() && candidate < table->layers[layer].candidates.size()) {
    return table->layers[layer].candidates[candidate];
  }
  return fmt::format("candidate {}", candidate);
}

Run read_run(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw IoError("a run must be a folder that a search has written; there is no such folder",
                  {.file = folder.string()});
  }
  Run run{.folder = folder};
  bool is_run =
      with_file(folder / "config.json", [&](const JsonValue& root) { run.config = read_config(root); });
  is_run |= with_file(folder / "latency.json", [&](const JsonValue& root) { run.table = read_table(root); });
  is_run |= with_lines(folder / "log.jsonl", [&](const JsonValue& line) {
    run.epochs.push_back(read_epoch(line, run.epochs.size()));
  });
  is_run |= with_file(folder / "result.json", [&](const JsonValue& root) { run.result = read_result(root); });
  if (!is_run) {
    throw ValueError(
        "a run must have config.json, latency.json, log.jsonl or result.json, and this folder has none of "
        "them; give the folder that the search was told to write",
        {.file = folder.string()});
  }
  run.retraining = read_retraining(folder / "retrain");
  read_space(run);
  return run;
}

std::vector<std::string> block_names(const Run& run, const FoundArchitecture& found) {
  if (found.blocks.size() == found.architecture.size()) return found.blocks;
  std::vector<std::string> names;
  for (size_t layer = 0; layer < found.architecture.size(); ++layer) {
    names.push_back(run.candidate_name(layer, static_cast<size_t>(found.architecture[layer])));
  }
  return names;
}

Pick final_pick(const Run& run) {
  const auto pick = [&run](Pick::Origin origin, const FoundArchitecture& found) {
    return Pick{origin, found.architecture, block_names(run, found), found.latency_us};
  };
  if (run.result && run.result->chosen) return pick(Pick::Origin::kChosen, *run.result->chosen);
  if (run.result && run.result->arg_max) return pick(Pick::Origin::kArgMax, *run.result->arg_max);
  if (run.epochs.empty() || run.epochs.back().arg_max.empty()) return {};
  const Epoch& last = run.epochs.back();
  return pick(Pick::Origin::kArgMax, {.architecture = last.arg_max, .latency_us = last.arg_max_us});
}

}  // namespace latgrad::cli::report
