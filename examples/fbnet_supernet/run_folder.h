// The folder of a run: its files, as docs/run-format.md says, each replaced in one step.
//
//   RunFolder folder("run", settings);    // the same settings continue the run, others are refused
//   folder.write_basis("space.textproto", space.text(), "the space");
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
  // Makes the folder and its config.json where they are new. Other settings replace those of a run that has
  // neither a checkpoint nor a line in its log: so a mistaken command can be corrected.
  //
  // Errors: std::runtime_error where the folder holds a run of other settings that has begun, naming them, or
  // one of another program; where it holds something else; where it cannot be written.
  RunFolder(std::filesystem::path path, const Settings& settings);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  // Writes a file that tells what the run is trained on; `what` names that in an error: "the table".
  // Errors: std::runtime_error where the checkpoint was trained on another one.
  void write_basis(std::string_view name, std::string_view text, std::string_view what) const;

  // log.jsonl has one line an epoch. This one keeps those before `epoch`, if they were written whole.
  void restart_log(int64_t epoch) const;
  // The line is on the disk before this returns: a checkpoint that is written later finds it.
  void append_to_log(const JsonObject& entry) const;

 private:
  bool begun() const;

  std::filesystem::path path_;
};

// Writes beside the path and renames: a reader, a kill or a power cut sees the old file or the new one.
void write_text(const std::filesystem::path& path, std::string_view text);

// The name under which a file is written before replace_by_temporary(path), which flushes it to the disk and
// renames.
std::filesystem::path temporary_of(const std::filesystem::path& path);
void replace_by_temporary(const std::filesystem::path& path);

// config.json of the search in a folder.
// Errors: std::runtime_error where there is none, or one of another format or program.
std::string read_config(const std::filesystem::path& run);

// The architecture that a search has chosen, from its result.json.
// Errors: std::runtime_error where the search has not ended.
std::vector<int64_t> read_chosen_architecture(const std::filesystem::path& run);

}  // namespace fbnet_supernet
