// The folder of a run: its files, as docs/run-format.md says, each replaced in one step.

#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

using nlohmann::json;

// Makes the folder and its config.json where they are new. Other settings replace those of a run in which
// nothing has been trained yet, so that a mistaken command can be corrected.
// Errors: std::runtime_error for a run of other settings that has begun, and for a folder of something else.
void open_run(const std::filesystem::path& run, const json& settings);

// Errors: std::runtime_error for a folder without a run, and for one of another program.
json read_settings(const std::filesystem::path& run);

// Writes a file that tells what the run is trained on; `what` names that in an error: "the table".
// Errors: std::runtime_error where the checkpoint was trained on another one.
void write_basis(const std::filesystem::path& path, const std::string& text, const std::string& what);

std::string read_file(const std::filesystem::path& path);  // empty where there is none

// What is trained goes into checkpoint.pt after every epoch: whatever ends the process, the same command goes
// on with the next one.
struct Training {
  std::filesystem::path run;
  torch::nn::Module state = {};
  std::map<std::string, torch::optim::Optimizer*> optimizers = {};

  // Calls `train`, which gives the line of the log, for every epoch that is left.
  // Errors: std::runtime_error for a file that is no such checkpoint.
  void run_epochs(int64_t epochs, const std::function<json(int64_t epoch)>& train);
};
