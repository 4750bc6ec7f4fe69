// The options that say what measures: on this machine latgrad-runner, elsewhere a command that reaches it.

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

// Starts it; nothing is asked of it yet.
// Errors: RunnerError when no process can be made. A program that is not there shows with the first request.
std::unique_ptr<runner::Runner> start_runner(const RunnerOptions& options);

}  // namespace latgrad::cli
