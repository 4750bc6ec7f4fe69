#include "run_folder.h"

#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

// How the settings differ from those that the folder has; empty where they do not.
std::string differences_from(const fs::path& path, const Settings& settings) {
  std::map<std::string, std::string> old = settings_in(read_config(path));
  std::string differences;
  for (const auto& [name, value] : settings) {
    const auto found = old.find(name);
    const std::string before = found == old.end() ? "null" : found->second;
    if (before == value) continue;
    differences += (differences.empty() ? "" : "; ") + name + " " + before + " is now " + value;
  }
  return differences;
}

// Of the first file that is written, whose temporary name is all that a kill may have left.
bool is_left_of_config(const fs::directory_entry& entry) {
  return entry.path().filename() == temporary_of("config.json");
}

// Returns when the disk has the content of a file, or the names in a folder.
void flush_to_disk(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int error = file < 0 || ::fsync(file) != 0 ? errno : 0;
  if (file >= 0) ::close(file);
  if (error == EINVAL) error = 0;  // some file systems flush no folders
  if (error == 0) return;
  throw std::runtime_error(path.string() + " cannot be written to the disk: " + std::strerror(error));
}

}  // namespace

RunFolder::RunFolder(fs::path path, const Settings& settings) : path_(std::move(path)) {
  fs::create_directories(path_);
  if (fs::exists(path_ / "config.json")) {
    const std::string differences = differences_from(path_, settings);
    if (differences.empty()) return;
    if (begun()) {
      throw std::runtime_error(path_.string() + " holds a run of other settings: " + differences +
                               ". Continue it with its own, or name another folder");
    }
  } else if (!std::all_of(fs::directory_iterator(path_), fs::directory_iterator(), is_left_of_config)) {
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

bool RunFolder::begun() const {
  const fs::path log = path_ / "log.jsonl";
  return fs::exists(path_ / "checkpoint.pt") ||
         (fs::exists(log) && read_text(log).find('\n') != std::string::npos);
}

void RunFolder::write_basis(std::string_view name, std::string_view text, std::string_view what) const {
  const fs::path path = path_ / name;
  if (fs::exists(path) && read_text(path) == text) return;
  if (fs::exists(path) && fs::exists(path_ / "checkpoint.pt")) {
    throw std::runtime_error(
        path.string() + " is what the checkpoint was trained on, but " + std::string(what) +
        " has changed since the search began. Put the old one back, or name another folder to search anew");
  }
  write_text(path, text);
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
  flush_to_disk(path);
}

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream file(temporary_of(path), std::ios::binary);
  file << text;
  file.close();
  if (!file) throw std::runtime_error(path.string() + " cannot be written");
  replace_by_temporary(path);
}

fs::path temporary_of(const fs::path& path) { return path.string() + ".tmp"; }

void replace_by_temporary(const fs::path& path) {
  const fs::path temporary = temporary_of(path);
  flush_to_disk(temporary);  // a name must not reach the disk before what it names
  fs::rename(temporary, path);
  flush_to_disk(path.parent_path());
}

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
