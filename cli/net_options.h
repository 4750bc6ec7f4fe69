// The options that name networks: --net with --init and --input, and the same options as text for a
// suggested command line.

#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/input_shape.h"
#include "latgrad/profile/networks.h"

namespace latgrad::cli {

// Adds --net, --init and --input, all repeatable.
void add_net_options(CLI::App& app, profile::NetFiles& files);

// Adds --input, which appends to `inputs`.
void add_input_option(CLI::App& app, std::vector<net::InputShape>& inputs);

// ` --net a.pbtxt --init 'my weights.pb' --input x=1,3,224,224`: for a command line that can be pasted.
std::string net_arguments(const profile::NetFiles& files);

// ` --lut mine.json`, for a command that extends the table; with --force where nothing beside it says where
// it was measured, as `latgrad profile` asks then.
std::string extended_table(const std::filesystem::path& lut);

// The word as a shell reads it, quoted where necessary.
std::string shell_word(std::string_view word);

}  // namespace latgrad::cli
