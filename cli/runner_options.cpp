#include "runner_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "executable_path.h"
#include "latgrad/base/duration.h"
#include "latgrad/runner/process_runner.h"
#include "option_check.h"

namespace latgrad::cli {

namespace {

constexpr const char* kProgram = "latgrad-runner";

// Engines that take whole networks; the runner in Python times in all of them.
constexpr std::array<std::string_view, 4> kNetworkEngines = {"onnxruntime", "openvino", "executorch",
                                                             "torch"};

bool is_executable(const std::filesystem::path& path) { return ::access(path.c_str(), X_OK) == 0; }

// A path, or a bare name that PATH resolves.
std::string local_program() {
  if (const char* given = std::getenv("LATGRAD_RUNNER"); given != nullptr && *given != '\0') return given;
  if (const std::filesystem::path beside = executable_folder() / kProgram; is_executable(beside)) {
    return beside.string();
  }
  return kProgram;
}

std::string local_python() {
  if (const char* given = std::getenv("LATGRAD_PYTHON"); given != nullptr && *given != '\0') return given;
  if (const std::filesystem::path beside = executable_folder() / "python3"; is_executable(beside)) {
    return beside.string();
  }
  return "python3";
}

// Installed beside the program, or in the sources.
std::string network_runners() {
  const std::filesystem::path installed = executable_folder() / LATGRAD_INSTALLED_RUNNERS;
  return std::filesystem::is_directory(installed) ? installed.lexically_normal().string()
                                                  : LATGRAD_SOURCE_RUNNERS;
}

std::vector<std::string> local_command(const RunnerOptions& options) {
  if (!takes_networks(options)) return {local_program()};
  return {local_python(), network_runners()};
}

}  // namespace

void add_runner_options(CLI::App& app, RunnerOptions& options, int most_runners) {
  app.add_option(
         "--engine", options.settings.engine,
         "What is measured. LibTorch's kernels, operator by operator: qnnpack, onednn, x86 or fbgemm for "
         "int8, "
         "each with its default kernels for fp32; cuda for fp32 on a GPU. Whole networks: onnxruntime, "
         "openvino, executorch, torch")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option(
         "--provider", options.settings.provider,
         "Execution provider of onnxruntime (XNNPACK, CUDA), device of openvino (GPU), compiler of torch "
         "(inductor) [the CPU's own]")
      ->type_name("NAME");
  app.add_option("--threads", options.settings.threads, "Threads that the kernels may use")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  CLI::Option* cores = app.add_option("--cores", options.settings.cores,
                                      "Cores to pin to: 3 or 2,3 [one per thread, the fastest and last ones]")
                           ->type_name("LIST")
                           ->delimiter(',')
                           ->allow_extra_args(false);
  app.add_flag("!--no-pin", options.settings.pin, "Let the system move the threads between cores")
      ->excludes(cores);
  app.add_option("--runner", options.commands,
                 std::string("Command that starts the measuring program elsewhere: 'ssh pi latgrad-runner'") +
                     (most_runners > 1 ? "; several measure at once, each its own table" : "") +
                     " [latgrad-runner, or latgrad_runners for whole networks, on this machine]")
      ->type_name("COMMAND")
      ->allow_extra_args(false)
      ->expected(1, most_runners);
  app.add_option_function<std::string>(
         "--runner-timeout",
         [&options](const std::string& text) { options.timeout_s = base::parse_duration_s(text); },
         "Time limit for one reply of the runner [5m]")
      ->type_name("TIME")
      ->check(valid_by(base::parse_duration_s));
}

bool takes_networks(const RunnerOptions& options) {
  return std::ranges::find(kNetworkEngines, options.settings.engine) != kNetworkEngines.end();
}

std::string runner_text(const RunnerOptions& options, size_t index) {
  if (!options.commands.empty()) return options.commands[index];
  const std::vector<std::string> command = local_command(options);
  return command.size() > 1 ? fmt::format("{}", fmt::join(command, " ")) : kProgram;
}

std::unique_ptr<runner::Runner> start_runner(const RunnerOptions& options, size_t index) {
  std::vector<std::string> command = local_command(options);
  if (!options.commands.empty()) command = {"/bin/sh", "-c", options.commands[index]};
  return std::make_unique<runner::ProcessRunner>(std::move(command), options.timeout_s);
}

}  // namespace latgrad::cli
