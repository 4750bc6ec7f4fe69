#include "spaces.h"

#include <filesystem>
#include <vector>

#include "classes/error_translation.h"
#include "latgrad/search/find_space.h"

namespace latgrad {

std::string find_space(const std::string& space, const c10::List<std::string>& folders) {
  return translate_errors([&] {
    std::vector<std::filesystem::path> paths;
    for (size_t i = 0; i < folders.size(); ++i) paths.emplace_back(folders.get(i));
    return search::find_space(space, paths).string();
  });
}

}  // namespace latgrad
