// Replaces a file in one step.

#pragma once

#include <filesystem>
#include <string_view>

namespace latgrad::base {

// Writes a temporary file next to `path` and renames it: readers see the old file or the new one, never a
// part of it. Keeps the permissions of an old file; for a link, replaces the file that it points to. Writes
// directly into a pipe or a device. Errors: IoError; the temporary file is removed.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace latgrad::base
