#include "latgrad/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "file_descriptor.h"

namespace latgrad::base {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail_to("open", errno, path);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) fail_to("read", errno, path);
  if (!S_ISREG(status.st_mode)) {
    throw IoError(
        S_ISDIR(status.st_mode) ? "a file is needed, but this is a folder" : "a regular file is needed",
        {.file = path.string()});
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapping == MAP_FAILED) fail_to("map", errno, path);
  data_ = static_cast<const char*>(mapping);
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace latgrad::base
