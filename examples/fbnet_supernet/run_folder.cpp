#include "run_folder.h"

#include <latgrad/lut/replace_file.h>
#include <simdjson.h>

#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace fbnet_supernet {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kFormat = "latgrad-run-1";
constexpr std::string_view kProgram = "example_fbnet_supernet";

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &parts)};
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) throw std::runtime_error(path.string() + " cannot be read");
  return text;
}

// The settings of a configuration, values as they stand in it.
std::map<std::string, std::string> settings_in(const std::string& config) {
  simdjson::padded_string padded(config);
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document = parser.iterate(padded);
  std::map<std::string, std::string> settings;
  for (auto field : document["settings"].get_object()) {
    const std::string name(std::string_view(field.unescaped_key()));
    const std::string_view token = field.value().raw_json_token();
    settings[name] = token.substr(0, token.find_last_not_of(" \n\r\t") + 1);  // it reaches to the next one
  }
  return settings;
}

void check_settings(const fs::path& path, const Settings& settings) {
  std::map<std::string, std::string> old = settings_in(read_config(path));
  std::string differences;
  for (const auto& [name, value] : settings) {
    const auto found = old.find(name);
    const std::string before = found == old.end() ? "null" : found->second;
    if (before == value) continue;
    differences += (differences.empty() ? "" : "; ") + name + " " + before + " is now " + value;
  }
  if (differences.empty()) return;
  throw std::runtime_error(path.string() + " holds a run of other settings: " + differences +
                           ". Continue it with its own, or name another folder");
}

}  // namespace

RunFolder::RunFolder(fs::path path, const Settings& settings) : path_(std::move(path)) {
  fs::create_directories(path_);
  if (fs::exists(path_ / "config.json")) {
    check_settings(path_, settings);
    return;
  }
  if (!fs::is_empty(path_)) {
    throw std::runtime_error(
        path_.string() +
        " must be a new folder or that of a run, got one with other files and no config.json");
  }
  JsonObject values;
  for (const auto& [name, value] : settings) values.add_json(name, value);
  JsonObject config;
  config.add("format", kFormat).add("program", kProgram).add("created", utc_now()).add("settings", values);
  write_text(path_ / "config.json", config.lines());
}

void RunFolder::restart_log(int64_t epoch) const {
  const fs::path path = path_ / "log.jsonl";
  const std::string text = fs::exists(path) ? read_text(path) : "";
  // Epochs ascend from 0 without gaps: that of a line is its number.
  size_t end = 0;
  for (int64_t line = 0; line < epoch; ++line) {
    const size_t newline = text.find('\n', end);
    if (newline == std::string::npos) {
      throw std::runtime_error(path.string() + " must have a line for each of the " + std::to_string(epoch) +
                               " epochs of the checkpoint, got " + std::to_string(line));
    }
    end = newline + 1;
  }
  write_text(path, text.substr(0, end));
}

void RunFolder::append_to_log(const JsonObject& entry) const {
  const fs::path path = path_ / "log.jsonl";
  std::ofstream file(path, std::ios::app);
  file << entry.line() + '\n' << std::flush;
  if (!file) throw std::runtime_error(path.string() + " cannot be written");
}

void write_text(const fs::path& path, std::string_view text) { latgrad::lut::replace_file(path, text); }

std::string read_config(const fs::path& run) {
  const fs::path path = run / "config.json";
  if (!fs::exists(path)) {
    throw std::runtime_error(run.string() + " must be the folder of a search, got one without config.json");
  }
  const std::string text = read_text(path);
  simdjson::dom::parser parser;
  try {
    const simdjson::dom::element config = parser.parse(text);
    const std::string format{std::string_view(config["format"])};
    const std::string program{std::string_view(config["program"])};
    if (format != kFormat) {
      throw std::runtime_error(path.string() + " must be of format " + std::string(kFormat) + ", got " +
                               format);
    }
    if (program != kProgram) {
      throw std::runtime_error(path.string() + " must be of " + std::string(kProgram) + ", got that of " +
                               program + ", whose checkpoints only it can continue");
    }
  } catch (const simdjson::simdjson_error& error) {
    throw std::runtime_error(path.string() + " must be the configuration of a run: " + error.what());
  }
  return text;
}

std::vector<int64_t> read_chosen_architecture(const fs::path& run) {
  const fs::path path = run / "result.json";
  if (!fs::exists(path)) {
    throw std::runtime_error("the search in " + run.string() +
                             " has not ended: continue it by its own command");
  }
  const std::string text = read_text(path);
  simdjson::dom::parser parser;
  std::vector<int64_t> arch;
  try {
    for (const simdjson::dom::element choice : parser.parse(text)["chosen"]["architecture"].get_array()) {
      arch.push_back(choice.get_int64());
    }
  } catch (const simdjson::simdjson_error& error) {
    throw std::runtime_error(path.string() + " must hold the architecture that was chosen: " + error.what());
  }
  return arch;
}

}  // namespace fbnet_supernet
