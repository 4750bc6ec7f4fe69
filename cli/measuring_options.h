// The options for the precision and the duration of a measurement.

#pragma once

#include <CLI/App.hpp>

namespace latgrad::cli {

// Adds --target and --budget; the variables hold their defaults. `what` names what is measured: "each
// time".
void add_measuring_options(CLI::App& app, const char* what, double& target, double& budget_s);

}  // namespace latgrad::cli
