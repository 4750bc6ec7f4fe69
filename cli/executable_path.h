// The location of this program.

#pragma once

#include <filesystem>

namespace latgrad::cli {

// The folder of the running program, with links resolved; empty if the system does not report it.
std::filesystem::path executable_folder();

}  // namespace latgrad::cli
