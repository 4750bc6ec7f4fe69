#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "command.h"
#include "executable_path.h"
#include "latgrad/lut/error.h"

namespace latgrad::cli {

namespace {

constexpr const char* kProgram = "latgrad-profile";

bool is_executable(const std::filesystem::path& path) { return ::access(path.c_str(), X_OK) == 0; }

// The program to hand over to: a path, or a bare name that PATH resolves.
std::string profile_program() {
  if (const char* given = std::getenv("LATGRAD_PROFILE"); given != nullptr && *given != '\0') return given;
  if (const std::filesystem::path beside = executable_folder() / kProgram; is_executable(beside)) {
    return beside.string();
  }
  return kProgram;
}

}  // namespace

void add_profile_command(CLI::App& parent) {
  parent.add_subcommand("profile", "Measure operators on this machine and write a look-up table");
}

void run_profile(char** arguments) {
  std::string program = profile_program();
  arguments[0] = program.data();
  ::execvp(program.c_str(), arguments);
  if (errno == ENOENT && program == kProgram) {
    throw IoError(
        "profile needs the program latgrad-profile beside latgrad, on PATH or named by LATGRAD_PROFILE; this "
        "build has no plugin; build with LATGRAD_BUILD_PLUGIN=ON");
  }
  throw IoError(fmt::format("{} cannot be run: {}", program, std::strerror(errno)));
}

}  // namespace latgrad::cli
