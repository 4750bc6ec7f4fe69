// The options of the runner: latgrad-runner or an engine on this machine, or commands that reach other
// machines.

#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <vector>

#include "latgrad/runner/runner.h"

namespace latgrad::cli {

struct RunnerOptions {
  runner::RunnerSettings settings;
  std::vector<std::string> commands;  // empty: on this machine, latgrad-runner or the one of the engine
  double timeout_s = 300;
};

// Adds --engine, --provider, --threads, --cores, --no-pin, --runner and --runner-timeout.
// `most_runners` is how often --runner may be given.
void add_runner_options(CLI::App& app, RunnerOptions& options, int most_runners = 1);

// Whether the engine is one of those that latgrad knows to take networks whole.
bool takes_networks(const RunnerOptions& options);

// The command that was given, or that of this machine.
std::string runner_text(const RunnerOptions& options, size_t index = 0);

// Starts a runner without sending it a request.
// Errors: RunnerError if no process can be created. A missing program is noticed at the first request.
std::unique_ptr<runner::Runner> start_runner(const RunnerOptions& options, size_t index = 0);

}  // namespace latgrad::cli
