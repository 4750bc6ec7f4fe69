// The options that say how well, and how long, something is measured.

#pragma once

#include <CLI/App.hpp>

namespace latgrad::cli {

// Adds --target and --budget, whose defaults are what the variables hold. `what` is measured: "each median".
void add_measuring_options(CLI::App& app, const char* what, double& target, double& budget_s);

}  // namespace latgrad::cli
