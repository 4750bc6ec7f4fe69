// The options of the runner: latgrad-runner on this machine, or a command that reaches another machine.

#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "latgrad/runner/runner.h"

namespace latgrad::cli {

struct RunnerOptions {
  runner::RunnerSettings settings;
  std::string command;  // empty: latgrad-runner on this machine
  double timeout_s = 300;
};

// Adds --engine, --threads, --cores, --no-pin, --runner and --runner-timeout.
void add_runner_options(CLI::App& app, RunnerOptions& options);

// "latgrad-runner", or the command that was given.
std::string runner_text(const RunnerOptions& options);

// Starts the runner without sending it a request.
// Errors: RunnerError if no process can be created. A missing program is noticed at the first request.
std::unique_ptr<runner::Runner> start_runner(const RunnerOptions& options);

}  // namespace latgrad::cli
