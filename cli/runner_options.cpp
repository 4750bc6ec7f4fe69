#include "runner_options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "executable_path.h"
#include "latgrad/base/duration.h"
#include "latgrad/runner/process_runner.h"
#include "option_check.h"

namespace latgrad::cli {

namespace {

constexpr const char* kProgram = "latgrad-runner";

bool is_executable(const std::filesystem::path& path) { return ::access(path.c_str(), X_OK) == 0; }

// A path, or a bare name that PATH resolves.
std::string local_program() {
  if (const char* given = std::getenv("LATGRAD_RUNNER"); given != nullptr && *given != '\0') return given;
  if (const std::filesystem::path beside = executable_folder() / kProgram; is_executable(beside)) {
    return beside.string();
  }
  return kProgram;
}

}  // namespace

void add_runner_options(CLI::App& app, RunnerOptions& options, int most_runners) {
  app.add_option(
         "--engine", options.settings.engine,
         "Kernels to measure: qnnpack, onednn, x86 or fbgemm for int8, each with LibTorch's default kernels "
         "for fp32; cuda for fp32 on a GPU")
      ->type_name("NAME")
      ->capture_default_str();
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
                     " [latgrad-runner on this machine]")
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

std::string runner_text(const RunnerOptions& options, size_t index) {
  return options.commands.empty() ? kProgram : options.commands[index];
}

std::unique_ptr<runner::Runner> start_runner(const RunnerOptions& options, size_t index) {
  std::vector<std::string> command = {local_program()};
  if (!options.commands.empty()) command = {"/bin/sh", "-c", options.commands[index]};
  return std::make_unique<runner::ProcessRunner>(std::move(command), options.timeout_s);
}

}  // namespace latgrad::cli
