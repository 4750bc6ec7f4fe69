#include "latgrad/lut/companion_path.h"

#include <string>

namespace latgrad::lut {

std::filesystem::path companion_path(const std::filesystem::path& table, std::string_view kind) {
  std::filesystem::path name = table.filename();
  if (name.extension() == ".zip" || name.extension() == ".gz") name = name.stem();
  return table.parent_path() / (name.stem().string() + '.' + std::string(kind) + ".json");
}

}  // namespace latgrad::lut
