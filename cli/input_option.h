// The option that gives the shape of a network's data input.

#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "latgrad/net/input_shape.h"

namespace latgrad::cli {

// Adds --input, which appends to `inputs`.
void add_input_option(CLI::App& app, std::vector<net::InputShape>& inputs);

}  // namespace latgrad::cli
