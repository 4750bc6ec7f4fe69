#include "report/run_folder.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace latgrad::cli::report {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "latgrad-run-1";
constexpr size_t kMaxSpaceBytes = 4 << 20;

std::optional<double> latency(const JsonObject& object, std::string_view name) {
  return object.number(name, Sign::kNotNegative);
}

Config read_config(const JsonObject& root) {
  const std::string format = root.text("format").value_or("");
  if (format != kFormat) {
    throw ParseError(fmt::format("the format of a run must be \"{}\", got \"{}\"", kFormat, format),
                     root.place("format"));
  }
  Config config{.program = root.text("program").value_or(""), .created = root.text("created").value_or("")};
  if (const auto settings = root.object("settings")) {
    config.settings = settings->shown();
    if (const auto target_ms = settings->number("target_ms", Sign::kPositive))
      config.target_us = 1000 * *target_ms;
  }
  return config;
}

LatencyTable read_table(const JsonObject& root) {
  LatencyTable table{.space = root.text("space").value_or(""),
                     .device = root.text("device").value_or(""),
                     .precision = root.text("precision").value_or(""),
                     .statistic = root.text("statistic").value_or(""),
                     .fixed_us = latency(root, "fixed_us")};
  for (const JsonObject& layer : root.objects("layers")) {
    TableLayer& read = table.layers.emplace_back(
        TableLayer{layer.texts("candidates"), layer.numbers("us", Sign::kNotNegative)});
    if (read.candidates.size() != read.us.size()) {
      throw ParseError(fmt::format("layer {} must have as many times as candidates, got {} and {}",
                                   table.layers.size(), read.us.size(), read.candidates.size()),
                       layer.place("us"));
    }
  }
  return table;
}

Epoch read_epoch(const JsonObject& line, size_t index) {
  const auto number = line.integer("epoch");
  if (number && *number != static_cast<int64_t>(index)) {
    throw ParseError(
        fmt::format("epochs must ascend from 0 without gaps; here must be {}, got {}", index, *number),
        line.place("epoch"));
  }
  return {.temperature = line.number("temperature"),
          .cross_entropy = line.number("cross_entropy"),
          .accuracy = line.number("accuracy"),
          .theta_cross_entropy = line.number("theta_cross_entropy"),
          .theta_accuracy = line.number("theta_accuracy"),
          .sampled_us = latency(line, "sampled_us"),
          .expected_us = latency(line, "expected_us"),
          .arg_max_us = latency(line, "arg_max_us"),
          .gap_us = line.number("gap_us"),
          .theta_entropy = line.number("theta_entropy"),
          .seconds = line.number("seconds"),
          .arg_max = line.indices("arg_max"),
          .theta = line.rows("theta")};
}

FoundArchitecture read_architecture(const JsonObject& object) {
  return {.architecture = object.indices("architecture"),
          .blocks = object.texts("blocks"),
          .latency_us = latency(object, "latency_us"),
          .log_probability = object.number("log_probability")};
}

SearchResult read_result(const JsonObject& root) {
  SearchResult result{.target_us = root.number("target_us", Sign::kPositive)};
  if (const auto arg_max = root.object("arg_max")) result.arg_max = read_architecture(*arg_max);
  if (const auto chosen = root.object("chosen")) {
    result.chosen = read_architecture(*chosen);
    result.why = chosen->text("why").value_or("");
  }
  for (const JsonObject& sample : root.objects("samples"))
    result.samples.push_back(read_architecture(sample));
  for (const JsonObject& op : root.objects("operators")) {
    result.operators.push_back(
        {op.text("type").value_or(""), op.text("output").value_or(""), latency(op, "us")});
  }
  return result;
}

RetrainEpoch read_retrain_epoch(const JsonObject& line) {
  return {.cross_entropy = line.number("cross_entropy"),
          .accuracy = line.number("accuracy"),
          .test_cross_entropy = line.number("test_cross_entropy"),
          .test_accuracy = line.number("test_accuracy")};
}

// Calls `read(root)` where there is such a file, and says whether there is.
template <typename Read>
bool with_file(const fs::path& path, const Read& read) {
  if (!fs::is_regular_file(path)) return false;
  simdjson::dom::parser parser;
  read(JsonText::read(path).parse(parser));
  return true;
}

// Calls `read(object)` for each complete line.
template <typename Read>
bool with_lines(const fs::path& path, const Read& read) {
  if (!fs::is_regular_file(path)) return false;
  simdjson::dom::parser parser;
  for (const JsonText& line : JsonText::read(path).complete_lines()) read(line.parse(parser));
  return true;
}

std::optional<Retraining> read_retraining(const fs::path& folder) {
  Retraining retraining;
  const bool has_log = with_lines(folder / "log.jsonl", [&](const JsonObject& line) {
    retraining.epochs.push_back(read_retrain_epoch(line));
  });
  retraining.is_finished = with_file(folder / "result.json", [&](const JsonObject& root) {
    retraining.test_accuracy = root.number("test_accuracy");
    retraining.test_cross_entropy = root.number("test_cross_entropy");
  });
  if (!has_log && !retraining.is_finished) return std::nullopt;
  return retraining;
}

// Errors: IoError; ValueError for more bytes than a space has.
std::string read_space_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw IoError(fmt::format("cannot open the space: {}", std::strerror(errno)), {.file = path.string()});
  std::string text(kMaxSpaceBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw IoError("cannot read the space", {.file = path.string()});
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxSpaceBytes) {
    throw ValueError(fmt::format("a space must have at most {} bytes", kMaxSpaceBytes),
                     {.file = path.string()});
  }
  return text;
}

// A space of another program may say what this one cannot read, and the report loses only its map sizes.
// The format has no base here; following one would quote whatever file a run from elsewhere names.
void read_space(Run& run) {
  const fs::path path = run.folder / "space.textproto";
  if (!fs::is_regular_file(path)) return;
  try {
    run.space = search::Space::parse(read_space_text(path), path.string());
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
      with_file(folder / "config.json", [&](const JsonObject& root) { run.config = read_config(root); });
  is_run |= with_file(folder / "latency.json", [&](const JsonObject& root) { run.table = read_table(root); });
  is_run |= with_lines(folder / "log.jsonl", [&](const JsonObject& line) {
    run.epochs.push_back(read_epoch(line, run.epochs.size()));
  });
  is_run |=
      with_file(folder / "result.json", [&](const JsonObject& root) { run.result = read_result(root); });
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
