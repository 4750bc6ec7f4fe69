// The folder of a run: its files, as docs/run-format.md says, each replaced in one step.
//
//   RunFolder folder("run", settings);    // the same settings continue the run, others are refused
//   folder.restart_log(epoch);            // drops what an interrupted run wrote later
//   folder.append_to_log(JsonObject().add("epoch", epoch));

#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "settings.h"

namespace fbnet_supernet {

class RunFolder {
 public:
  // Makes the folder and its config.json where they are new.
  // Errors: std::runtime_error where the folder holds a run of other settings, naming them, or of another
  // program; where it holds something else; where it cannot be written.
  RunFolder(std::filesystem::path path, const Settings& settings);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  // log.jsonl has one line an epoch. This one keeps those before `epoch`, if they were written whole.
  void restart_log(int64_t epoch) const;
  void append_to_log(const JsonObject& entry) const;

 private:
  std::filesystem::path path_;
};

// Writes beside the path and renames: a reader, or a kill, sees the old file or the new one.
void write_text(const std::filesystem::path& path, std::string_view text);

// config.json of the search in a folder.
// Errors: std::runtime_error where there is none, or one of another format or program.
std::string read_config(const std::filesystem::path& run);

// The architecture that a search has chosen, from its result.json.
// Errors: std::runtime_error where the search has not ended.
std::vector<int64_t> read_chosen_architecture(const std::filesystem::path& run);

}  // namespace fbnet_supernet
