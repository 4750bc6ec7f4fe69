#include "executable_path.h"

#include <system_error>

namespace latgrad::cli {

std::filesystem::path executable_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace latgrad::cli
