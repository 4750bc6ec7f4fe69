// A file replaced in one step.

#pragma once

#include <filesystem>
#include <string_view>

namespace latgrad::base {

// Writes beside `path` under a temporary name and renames: readers see the old file or the new one, never a
// part. The permissions of an old file stay, and so does a link, whose file is replaced. What is no regular
// file, a pipe or a device, is written into. Errors: IoError; the temporary file is removed.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace latgrad::base
