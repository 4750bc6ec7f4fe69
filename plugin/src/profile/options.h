// The command line of latgrad-profile.

#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "latgrad/lut/tensor_info.h"
#include "latgrad/search/space.h"
#include "measure.h"

namespace latgrad::profile {

struct Options {
  std::vector<std::filesystem::path> spaces;
  std::vector<std::filesystem::path> nets;
  std::map<std::string, lut::Shape> inputs;  // of networks, by blob name
  std::vector<search::Precision> precisions;
  std::optional<std::filesystem::path> lut;
  std::filesystem::path output;
  std::string device;
  int threads = 1;
  MeasureOptions measure;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
};

// What the program is to do: run with `options`, or leave with `exit_code` after printing `text`.
struct Invocation {
  std::optional<Options> options;
  int exit_code = 0;
  std::string text;  // help, version, or what is wrong with the command line
};

// Exit codes: 0 for help and version, 2 for a command line that is wrong.
Invocation parse_command_line(int argc, const char* const* argv, const std::string& torch_version);

// "data=1,3,224,224". Errors: ValueError.
std::pair<std::string, lut::Shape> parse_input(std::string_view text);

}  // namespace latgrad::profile
