// Whole files: mapped for reading, replaced in one step for writing.

#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace latgrad::lut {

// The bytes of a file, as long as the object lives. The file must not shrink meanwhile.
class MappedFile {
 public:
  // Errors: IoError; also for a folder.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Writes beside `path` under a temporary name and renames: readers see the old file or the new one, never a
// part. The permissions of an old file stay, and so does a link, whose file is replaced. What is no regular
// file, a pipe or a device, is written into. Errors: IoError; the temporary file is removed.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace latgrad::lut
