// Where this program lies.

#pragma once

#include <filesystem>

namespace latgrad::cli {

// The folder of the running program, links resolved; empty where the system does not tell.
std::filesystem::path executable_folder();

}  // namespace latgrad::cli
