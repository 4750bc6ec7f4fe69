#include "run_folder.h"

#include <latgrad/base/replace_file.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace fs = std::filesystem;
using latgrad::base::replace_file;

constexpr const char* kProgram = "example_fbnet_supernet";

void open_run(const fs::path& run, const json& settings) {
  fs::create_directories(run);
  if (fs::exists(run / "config.json")) {
    const json old = read_settings(run);
    if (old == settings) return;
    if (read_file(run / "log.jsonl").find('\n') != std::string::npos) {
      const std::string changes = json::diff(old, settings).dump();
      throw std::runtime_error(run.string() + " holds a run of other settings: " + changes);
    }
  } else if (!fs::is_empty(run)) {
    throw std::runtime_error(run.string() + " must be a new folder or that of a run, got one of other files");
  }
  json config = {{"format", "latgrad-run-1"}, {"program", kProgram}, {"settings", settings}};
  std::ostringstream created;
  const std::time_t now = std::time(nullptr);
  created << std::put_time(std::gmtime(&now), "%FT%T+00:00");
  config["created"] = created.str();
  replace_file(run / "config.json", config.dump(2));
}

json read_settings(const fs::path& run) {
  const std::string text = read_file(run / "config.json");
  if (text.empty()) throw std::runtime_error(run.string() + " must hold a run, got none: no config.json");
  const json config = json::parse(text);
  const std::string program = config.at("program");
  if (program == kProgram) return config.at("settings");
  throw std::runtime_error(run.string() + " must be a run of " + kProgram + ", got one of " + program);
}

void write_basis(const fs::path& path, const std::string& text, const std::string& what) {
  if (read_file(path) == text) return;
  if (fs::exists(path) && fs::exists(path.parent_path() / "checkpoint.pt")) {
    throw std::runtime_error(path.string() + " is what the checkpoint was trained on, but " + what +
                             " has changed. Put the old one back, or name another folder to search anew");
  }
  replace_file(path, text);
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Training::run_epochs(int64_t epochs, const std::function<json(int64_t epoch)>& train) {
  const fs::path checkpoint = run / "checkpoint.pt";
  torch::Tensor next = state.register_buffer("next_epoch", torch::zeros({}, torch::kLong));
  try {
    torch::serialize::InputArchive archive, part;
    if (fs::exists(checkpoint)) {
      archive.load_from(checkpoint);
      state.load(archive);
      for (const auto& [name, optimizer] : optimizers) archive.read(name, part), optimizer->load(part);
      std::cout << "Continuing at epoch " << next.item<int64_t>() << std::endl;
    }
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    throw std::runtime_error(checkpoint.string() + " is damaged or of another program (" +
                             reason.substr(0, reason.find('\n')) +
                             "). Delete it, and the same command begins anew");
  }
  // Without the line of an epoch that was interrupted before its checkpoint was there.
  std::istringstream log(read_file(run / "log.jsonl"));
  std::string kept, line;
  for (auto i = next.item<int64_t>(); i > 0 && std::getline(log, line); --i) kept += line + '\n';
  replace_file(run / "log.jsonl", kept);
  while (next.item<int64_t>() < epochs) {
    const auto began = std::chrono::steady_clock::now();
    json entry = train(next.item<int64_t>());
    entry["epoch"] = next.item<int64_t>();
    entry["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    std::ofstream(run / "log.jsonl", std::ios::app) << entry << std::endl;
    entry.erase("theta");
    std::cout << entry << std::endl;
    next += 1;
    torch::serialize::OutputArchive archive;
    state.save(archive);
    for (const auto& [name, optimizer] : optimizers) {
      torch::serialize::OutputArchive part(archive.compilation_unit());
      optimizer->save(part);
      archive.write(name, part);
    }
    std::ostringstream bytes;
    archive.save_to(bytes);
    replace_file(checkpoint, bytes.str());
  }
}
