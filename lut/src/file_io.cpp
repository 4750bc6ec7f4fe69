#include "file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "latgrad/lut/error.h"
#include "latgrad/lut/replace_file.h"

namespace latgrad::lut {

namespace {

[[noreturn]] void fail(std::string_view action, int error, const std::filesystem::path& path) {
  throw IoError(fmt::format("cannot {}: {}", action, std::strerror(error)), {.file = path.string()});
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  // Errors that a file system reports late arrive with close.
  int close() {
    const int status = ::close(fd_);
    fd_ = -1;
    return status;
  }

 private:
  int fd_;
};

constexpr mode_t kPermissionBits = 0777;

// On failure errno tells why.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void write_into(const std::filesystem::path& path, std::string_view bytes) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) fail("open", errno, path);
  if (!write_all(file.get(), bytes) || file.close() != 0) fail("write", errno, path);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("open", errno, path);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) fail("read", errno, path);
  if (!S_ISREG(status.st_mode)) {
    throw IoError(S_ISDIR(status.st_mode) ? "a file is needed, this is a folder" : "a regular file is needed",
                  {.file = path.string()});
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapping == MAP_FAILED) fail("map", errno, path);
  data_ = static_cast<const char*>(mapping);
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<char*>(data_), size_);
}

void replace_file(const std::filesystem::path& path, std::string_view bytes) {
  struct stat old;
  const bool exists = ::stat(path.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) return write_into(path, bytes);
  // Renaming onto a link would replace the link.
  std::error_code unresolved;  // removed meanwhile: then the path itself will do
  const auto resolved = exists ? std::filesystem::canonical(path, unresolved) : path;
  const std::filesystem::path& target = unresolved ? path : resolved;

  static std::atomic<unsigned> counter = 0;
  const std::string temporary = fmt::format("{}.tmp.{}.{}", target.string(), ::getpid(), counter++);
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) fail("create", errno, temporary);
  const auto give_up = [&](std::string_view action) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail(action, error, path);
  };
  if (exists && ::fchmod(file.get(), old.st_mode & kPermissionBits) != 0) give_up("set the permissions");
  if (!write_all(file.get(), bytes) || file.close() != 0) give_up("write");
  if (std::rename(temporary.c_str(), target.c_str()) != 0) give_up("rename the new file");
}

}  // namespace latgrad::lut
