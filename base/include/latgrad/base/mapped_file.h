// Whole files, mapped for reading.

#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace latgrad::base {

// The bytes of a file for the lifetime of the object. The file must not shrink meanwhile.
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

}  // namespace latgrad::base
