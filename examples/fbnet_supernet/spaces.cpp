#include "spaces.h"

#include <set>
#include <stdexcept>
#include <system_error>

namespace fbnet_supernet {

namespace fs = std::filesystem;

fs::path find_space(const std::string& text) {
  std::error_code none;
  if (fs::is_regular_file(text, none)) return text;
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(FBNET_SUPERNET_SPACES, none)) {
    if (entry.path().extension() == ".textproto") names.insert(entry.path().stem().string());
  }
  if (names.contains(text)) return fs::path(FBNET_SUPERNET_SPACES) / (text + ".textproto");
  std::string listed;
  for (const std::string& name : names) listed += (listed.empty() ? "" : ", ") + name;
  throw std::invalid_argument("a space must be a file or one of " + listed + "; got \"" + text + '"');
}

}  // namespace fbnet_supernet
